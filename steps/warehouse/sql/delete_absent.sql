-- A corrected file may have fewer rows: the others are deleted from that month.
DELETE FROM {table} AS stored
WHERE stored.as_of = %(month)s
  AND NOT EXISTS (SELECT FROM {staging} AS loaded WHERE loaded.user_id = stored.user_id)
