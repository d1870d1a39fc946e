-- A training set takes each user's first known label, however late it came; later corrections never replace it. Of two
-- loads with the same known_at, the separate file counts.
SELECT DISTINCT ON (user_id) user_id, churn_label FROM labels_versions
WHERE period_start = %(period_start)s
ORDER BY user_id, created_at, late DESC
