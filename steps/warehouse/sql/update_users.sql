-- Users never take values from an older month than that of their present values.
UPDATE users AS stored SET ({values}, as_of) = ROW ({loaded_values}, %(month)s)
FROM {staging} AS loaded
WHERE stored.user_id = loaded.user_id
  AND stored.as_of <= %(month)s AND ({stored_values}, stored.as_of) IS DISTINCT FROM ({loaded_values}, %(month)s)
