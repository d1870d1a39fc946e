-- Every version of a month's rows, ordered: the same rows make the same file.
SELECT user_id, {columns}, (extract(epoch FROM created_at) * 1000000)::bigint AS created_at
FROM {versions} WHERE as_of = {as_of} ORDER BY user_id, created_at
