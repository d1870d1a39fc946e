UPDATE labels AS stored
SET churn_label = planned.churn_label, created_at = planned.created_at, late = planned.late
FROM planned_labels AS planned
WHERE stored.period_start = %(month)s AND stored.user_id = planned.user_id AND planned.current
  AND (stored.churn_label, stored.created_at, stored.late)
      IS DISTINCT FROM (planned.churn_label, planned.created_at, planned.late)
