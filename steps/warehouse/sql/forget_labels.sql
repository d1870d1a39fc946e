DELETE FROM labels_superseded AS stored USING affected_labels
WHERE stored.period_start = %(month)s AND stored.user_id = affected_labels.user_id
  AND NOT EXISTS (
      SELECT FROM planned_labels AS planned
      WHERE NOT planned.current AND planned.user_id = stored.user_id AND planned.created_at = stored.created_at
        AND planned.late = stored.late AND planned.churn_label = stored.churn_label
        AND planned.superseded_at IS NOT DISTINCT FROM stored.superseded_at)
