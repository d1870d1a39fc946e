SELECT loaded.user_id FROM {staging} AS loaded
WHERE NOT EXISTS (SELECT FROM {users} AS present WHERE present.user_id = loaded.user_id) LIMIT 1
