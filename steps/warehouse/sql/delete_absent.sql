-- A corrected file may have fewer rows: what it no longer says is no longer true of that month.
DELETE FROM {table} AS stored
WHERE stored.as_of = %(month)s
  AND NOT EXISTS (SELECT FROM {staging} AS loaded WHERE loaded.user_id = stored.user_id)
