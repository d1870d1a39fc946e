DELETE FROM churn_scores WHERE as_of = %(as_of)s
