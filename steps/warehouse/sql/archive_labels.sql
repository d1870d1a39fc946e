INSERT INTO labels_superseded (user_id, period_start, churn_label, created_at, late, superseded_at)
SELECT user_id, %(month)s, churn_label, created_at, late, superseded_at FROM planned_labels WHERE NOT current
ON CONFLICT DO NOTHING
