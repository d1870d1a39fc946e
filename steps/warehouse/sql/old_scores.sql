-- Rows and bytes of the scores of each month before the day.
SELECT as_of, count(*), sum(pg_column_size(scores)) FROM churn_scores AS scores
WHERE as_of < %(before)s GROUP BY as_of ORDER BY as_of
