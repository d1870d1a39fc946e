SELECT model_version, count(*) FROM churn_scores WHERE as_of = %(as_of)s GROUP BY model_version ORDER BY model_version
