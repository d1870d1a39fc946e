-- Users are never deleted (history refers to them) and never take values from a month older than the ones they have.
INSERT INTO users AS stored ({columns})
SELECT {columns} FROM {staging} ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET ({values}) = ROW ({new_values})
WHERE stored.as_of <= EXCLUDED.as_of AND ({stored_values}) IS DISTINCT FROM ({new_values})
