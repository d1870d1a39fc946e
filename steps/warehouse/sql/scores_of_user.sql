-- A look-up for each month and version: the primary key begins with them.
SELECT (score.as_of AT TIME ZONE 'UTC')::date, score.model_version, score.probability, score.prediction, score.scored_at
FROM months CROSS JOIN unnest(%(versions)s::text[]) AS version
JOIN churn_scores AS score
  ON score.as_of = months.as_of AND score.model_version = version AND score.user_id = %(user_id)s
ORDER BY score.as_of DESC, score.scored_at DESC
