-- The rows of one month of one snapshot that are not stored yet, in the order of the key: its index grows at one end.
-- Not ON CONFLICT, which takes half as long again: loads wait for each other, so that nobody else inserts.
INSERT INTO {table} ({columns}, as_of, created_at)
SELECT {loaded_columns}, %(month)s, %(known_at)s
FROM {staging} AS loaded
LEFT JOIN {table} AS stored ON stored.as_of = %(month)s AND stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
ORDER BY loaded.user_id
