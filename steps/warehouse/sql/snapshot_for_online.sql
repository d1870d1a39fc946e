SELECT user_id, {columns}, created_at::text FROM {table} WHERE as_of = {as_of} ORDER BY user_id
