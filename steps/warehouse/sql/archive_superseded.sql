-- Keeps the versions from before known_at that this load replaces.
INSERT INTO {superseded} ({columns}, as_of, created_at)
SELECT {stored_columns}, stored.as_of, stored.created_at
FROM {table} AS stored
LEFT JOIN {staging} AS loaded ON loaded.user_id = stored.user_id
WHERE stored.as_of = %(month)s
  AND stored.created_at < %(known_at)s
  AND (loaded.user_id IS NULL OR ({stored_values}) IS DISTINCT FROM ({loaded_values}))
