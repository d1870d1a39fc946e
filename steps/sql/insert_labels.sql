INSERT INTO labels ({columns}, period_start)
SELECT {loaded_columns}, %(month)s
FROM {staging} AS loaded
LEFT JOIN labels AS stored ON stored.period_start = %(month)s AND stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
ORDER BY loaded.user_id
