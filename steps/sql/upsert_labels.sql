-- Brings one month's labels in line with the staging table; labels that are the same already are not touched.
INSERT INTO labels AS stored ({columns}, period_start)
SELECT {loaded_columns}, %(month)s
FROM {staging} AS loaded
LEFT JOIN labels AS stored ON stored.period_start = %(month)s AND stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL OR ({stored_values}) IS DISTINCT FROM ({loaded_values})
ORDER BY loaded.user_id
ON CONFLICT (period_start, user_id) DO UPDATE SET ({values}) = ROW ({new_values})
