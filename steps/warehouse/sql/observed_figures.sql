-- Of the version's newest run of the monitor; of a figure of several months, the newest.
SELECT DISTINCT ON (metric, slice, reference)
    as_of, month, metric, slice, reference, n, estimate, low, high, threshold, verdict, made_at
FROM monitoring
WHERE version = %(version)s
  AND run_id = (SELECT run_id FROM monitoring WHERE version = %(version)s ORDER BY as_of DESC, id DESC LIMIT 1)
ORDER BY metric, slice, reference, month DESC, id DESC
