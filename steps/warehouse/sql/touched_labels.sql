-- The users about whose labels a load may say something new. Labels that came with their month and labels that came
-- alone are two layers: a load speaks of its own.
CREATE TEMP TABLE touched_labels ON COMMIT DROP AS
SELECT loaded.user_id
FROM {staging} AS loaded
LEFT JOIN labels_versions AS said
  ON said.period_start = %(month)s AND said.user_id = loaded.user_id AND said.late = %(late)s
 AND said.created_at <= %(known_at)s AND (said.superseded_at IS NULL OR said.superseded_at > %(known_at)s)
WHERE said.churn_label IS DISTINCT FROM loaded.churn_label
UNION
-- A month's file is the last word on its known_at and all that comes after, and on who has a label.
SELECT said.user_id
FROM labels_versions AS said
LEFT JOIN {staging} AS loaded ON loaded.user_id = said.user_id
WHERE NOT %(late)s AND NOT said.late AND said.period_start = %(month)s
  AND (loaded.user_id IS NULL OR said.created_at > %(known_at)s OR said.superseded_at > %(known_at)s)
