-- The users whose labels a load may change. Labels from a month's files and labels from separate files are two layers;
-- a load changes its own layer.
CREATE TEMP TABLE affected_labels ON COMMIT DROP AS
SELECT loaded.user_id
FROM {staging} AS loaded
LEFT JOIN labels_versions AS version
  ON version.period_start = %(month)s AND version.user_id = loaded.user_id AND version.late = %(late)s
 AND version.created_at <= %(known_at)s AND (version.superseded_at IS NULL OR version.superseded_at > %(known_at)s)
WHERE version.churn_label IS DISTINCT FROM loaded.churn_label
UNION
-- A month's file replaces its layer from known_at on, and decides which users have a label.
SELECT version.user_id
FROM labels_versions AS version
LEFT JOIN {staging} AS loaded ON loaded.user_id = version.user_id
WHERE NOT %(late)s AND NOT version.late AND version.period_start = %(month)s
  AND (loaded.user_id IS NULL OR version.created_at > %(known_at)s OR version.superseded_at > %(known_at)s)
