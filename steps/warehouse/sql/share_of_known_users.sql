-- The share of the staged users who were loaded with an earlier load.
SELECT count(stored.user_id)::float / greatest(count(*), 1)
FROM {staging} AS loaded LEFT JOIN users AS stored USING (user_id)
