INSERT INTO labels (user_id, period_start, churn_label, created_at, late)
SELECT wanted.user_id, %(month)s, wanted.churn_label, wanted.created_at, wanted.late
FROM wanted_labels AS wanted
LEFT JOIN labels AS stored ON stored.period_start = %(month)s AND stored.user_id = wanted.user_id
WHERE wanted.current AND stored.user_id IS NULL
ORDER BY wanted.user_id
