-- Every version of the affected users' labels after the load: those of the other layer unchanged, those of its own
-- layer from before known_at, and the loaded labels that differ.
CREATE TEMP TABLE planned_labels ON COMMIT DROP AS
WITH stored AS (
    SELECT version.* FROM labels_versions AS version JOIN affected_labels USING (user_id)
    WHERE version.period_start = %(month)s
), loaded AS (
    SELECT staged.user_id, staged.churn_label FROM {staging} AS staged JOIN affected_labels USING (user_id)
), before AS (
    SELECT stored.*, superseded_at IS NULL OR superseded_at >= %(known_at)s AS held
    FROM stored WHERE late = %(late)s AND created_at < %(known_at)s
), planned AS (
    SELECT user_id, churn_label, created_at, late, superseded_at FROM stored WHERE late <> %(late)s
    UNION ALL
    SELECT user_id, before.churn_label, created_at, late,
           CASE WHEN NOT held THEN superseded_at
                WHEN loaded.churn_label IS DISTINCT FROM before.churn_label THEN %(known_at)s END
    FROM before LEFT JOIN loaded USING (user_id)
    UNION ALL
    SELECT user_id, loaded.churn_label, %(known_at)s, %(late)s, NULL
    FROM loaded LEFT JOIN (SELECT * FROM before WHERE held) AS held USING (user_id)
    WHERE held.churn_label IS DISTINCT FROM loaded.churn_label
)
SELECT planned.*, superseded_at IS NULL AND row_number() OVER (
    PARTITION BY user_id ORDER BY superseded_at IS NULL DESC, created_at DESC, late DESC) = 1 AS current
FROM planned
