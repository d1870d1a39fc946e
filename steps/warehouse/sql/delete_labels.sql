-- The labels of users without any planned label.
DELETE FROM labels AS stored USING affected_labels
WHERE stored.period_start = %(month)s AND stored.user_id = affected_labels.user_id
  AND NOT EXISTS (SELECT FROM planned_labels AS planned WHERE planned.user_id = stored.user_id AND planned.current)
