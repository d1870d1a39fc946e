-- The labels that a training set is made from, as one value, whatever order they come back in.
WITH used AS ({labels})
SELECT count(*) || '-' || coalesce(sum(hashtextextended(churn_label::text || ' ' || user_id, 5)::numeric), 0) FROM used
