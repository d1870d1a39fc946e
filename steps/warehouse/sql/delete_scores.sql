DELETE FROM churn_scores WHERE as_of = %(as_of)s AND model_version = %(version)s
