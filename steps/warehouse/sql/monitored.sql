SELECT month, metric, slice, n, estimate, low, high, verdict, reference, threshold, reason
FROM monitoring
WHERE version = %(version)s AND as_of = %(as_of)s
  AND run_id = (SELECT run_id FROM monitoring WHERE version = %(version)s AND as_of = %(as_of)s ORDER BY id DESC LIMIT 1)
ORDER BY id
