-- Months that have scores and are before the given one: how many rows, and how many bytes they take.
SELECT as_of, count(*), sum(pg_column_size(scores)) FROM churn_scores AS scores
WHERE as_of < %(before)s GROUP BY as_of ORDER BY as_of
