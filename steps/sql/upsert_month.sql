-- Brings one month of one snapshot in line with its staging table. Rows that are the same already are not touched:
-- to look first costs a join, to leave it to ON CONFLICT would lock every row.
INSERT INTO {table} AS stored ({columns}, as_of, created_at)
SELECT {loaded_columns}, %(month)s, %(known_at)s
FROM {staging} AS loaded
LEFT JOIN {table} AS stored ON stored.as_of = %(month)s AND stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
   OR stored.created_at > %(known_at)s
   OR ({stored_values}) IS DISTINCT FROM ({loaded_values})
ORDER BY loaded.user_id
ON CONFLICT (as_of, user_id) DO UPDATE SET ({values}, created_at) = ROW ({new_values}, EXCLUDED.created_at)
