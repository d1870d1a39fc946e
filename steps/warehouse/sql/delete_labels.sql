-- Of users who have no label any more.
DELETE FROM labels AS stored USING touched_labels
WHERE stored.period_start = %(month)s AND stored.user_id = touched_labels.user_id
  AND NOT EXISTS (SELECT FROM wanted_labels AS wanted WHERE wanted.user_id = stored.user_id AND wanted.current)
