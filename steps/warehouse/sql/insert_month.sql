-- Inserts the missing rows of a month in the order of the key, whose index then grows at one end.
-- Without ON CONFLICT, which takes half as long again: loads are serialized, so no other session inserts.
INSERT INTO {table} ({columns}, as_of, created_at)
SELECT {loaded_columns}, %(month)s, %(known_at)s
FROM {staging} AS loaded
LEFT JOIN {table} AS stored ON stored.as_of = %(month)s AND stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
ORDER BY loaded.user_id
