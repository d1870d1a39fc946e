-- Updates a month's stored rows from the staging table. Equal rows are not written.
UPDATE {table} AS stored SET ({values}, created_at) = ROW ({loaded_values}, %(known_at)s)
FROM {staging} AS loaded
WHERE stored.as_of = %(month)s AND stored.user_id = loaded.user_id
  AND (stored.created_at > %(known_at)s OR ({stored_values}) IS DISTINCT FROM ({loaded_values}))
