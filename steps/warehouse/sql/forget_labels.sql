DELETE FROM labels_superseded AS stored USING touched_labels
WHERE stored.period_start = %(month)s AND stored.user_id = touched_labels.user_id
  AND NOT EXISTS (
      SELECT FROM wanted_labels AS wanted
      WHERE NOT wanted.current AND wanted.user_id = stored.user_id AND wanted.created_at = stored.created_at
        AND wanted.late = stored.late AND wanted.churn_label = stored.churn_label
        AND wanted.superseded_at IS NOT DISTINCT FROM stored.superseded_at)
