-- The labels as they were known on a day, with all corrections up to it.
SELECT DISTINCT ON (user_id) user_id, churn_label FROM labels_versions
WHERE period_start = %(period_start)s AND created_at <= %(known_at)s
  AND (superseded_at IS NULL OR superseded_at > %(known_at)s)
ORDER BY user_id, created_at DESC, late DESC
