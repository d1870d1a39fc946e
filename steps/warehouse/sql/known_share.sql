-- The share of a staged month's users that were loaded with any month before.
SELECT count(stored.user_id)::float / greatest(count(*), 1)
FROM {staging} AS loaded LEFT JOIN users AS stored USING (user_id)
