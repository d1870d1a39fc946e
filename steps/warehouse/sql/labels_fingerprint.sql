-- One value for the labels of a training set, whatever the order of the rows.
WITH used AS ({labels})
SELECT count(*) || '-' || coalesce(sum(hashtextextended(churn_label::text || ' ' || user_id, 5)::numeric), 0) FROM used
