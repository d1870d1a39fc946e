UPDATE labels AS stored
SET churn_label = wanted.churn_label, created_at = wanted.created_at, late = wanted.late
FROM wanted_labels AS wanted
WHERE stored.period_start = %(month)s AND stored.user_id = wanted.user_id AND wanted.current
  AND (stored.churn_label, stored.created_at, stored.late)
      IS DISTINCT FROM (wanted.churn_label, wanted.created_at, wanted.late)
