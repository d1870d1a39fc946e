-- Every version of the touched users' labels as it is to be: the other layer's as they are, its own from before known_at,
-- and what is loaded where that is something else.
CREATE TEMP TABLE wanted_labels ON COMMIT DROP AS
WITH stored AS (
    SELECT said.* FROM labels_versions AS said JOIN touched_labels USING (user_id) WHERE said.period_start = %(month)s
), told AS (
    SELECT loaded.user_id, loaded.churn_label FROM {staging} AS loaded JOIN touched_labels USING (user_id)
), before AS (
    SELECT stored.*, superseded_at IS NULL OR superseded_at >= %(known_at)s AS held
    FROM stored WHERE late = %(late)s AND created_at < %(known_at)s
), wanted AS (
    SELECT user_id, churn_label, created_at, late, superseded_at FROM stored WHERE late <> %(late)s
    UNION ALL
    SELECT user_id, before.churn_label, created_at, late,
           CASE WHEN NOT held THEN superseded_at
                WHEN told.churn_label IS DISTINCT FROM before.churn_label THEN %(known_at)s END
    FROM before LEFT JOIN told USING (user_id)
    UNION ALL
    SELECT user_id, told.churn_label, %(known_at)s, %(late)s, NULL
    FROM told LEFT JOIN (SELECT * FROM before WHERE held) AS held USING (user_id)
    WHERE held.churn_label IS DISTINCT FROM told.churn_label
)
SELECT wanted.*, superseded_at IS NULL AND row_number() OVER (
    PARTITION BY user_id ORDER BY superseded_at IS NULL DESC, created_at DESC, late DESC) = 1 AS current
FROM wanted
