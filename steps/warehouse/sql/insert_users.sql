INSERT INTO users ({columns}, as_of)
SELECT {loaded_columns}, %(month)s
FROM {staging} AS loaded
LEFT JOIN users AS stored ON stored.user_id = loaded.user_id
WHERE stored.user_id IS NULL
ORDER BY loaded.user_id
