INSERT INTO labels (user_id, period_start, churn_label, created_at, late)
SELECT planned.user_id, %(month)s, planned.churn_label, planned.created_at, planned.late
FROM planned_labels AS planned
LEFT JOIN labels AS stored ON stored.period_start = %(month)s AND stored.user_id = planned.user_id
WHERE planned.current AND stored.user_id IS NULL
ORDER BY planned.user_id
