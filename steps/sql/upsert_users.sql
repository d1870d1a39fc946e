-- Users are never deleted (history refers to them) and never take values from a month older than the ones they have.
INSERT INTO users AS stored ({columns}, as_of)
SELECT {loaded_columns}, %(month)s
FROM {staging} AS loaded
LEFT JOIN users AS stored ON stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
   OR (stored.as_of <= %(month)s AND ({stored_values}, stored.as_of) IS DISTINCT FROM ({loaded_values}, %(month)s))
ORDER BY loaded.user_id
ON CONFLICT (user_id) DO UPDATE SET ({values}, as_of) = ROW ({new_values}, EXCLUDED.as_of)
