-- What a training set takes: of each user the label that was known first. A correction that became known later never
-- replaces it; a label that is new is used however late it came. Of two loads on one day, the one of labels alone counts.
SELECT DISTINCT ON (user_id) user_id, churn_label FROM labels_versions
WHERE period_start = %(period_start)s
ORDER BY user_id, created_at, late DESC
