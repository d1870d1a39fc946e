UPDATE labels AS stored SET ({values}) = ROW ({loaded_values})
FROM {staging} AS loaded
WHERE stored.period_start = %(month)s AND stored.user_id = loaded.user_id
  AND ({stored_values}) IS DISTINCT FROM ({loaded_values})
