SELECT version, as_of, run_id, verdict, reason, made_at FROM (
    SELECT DISTINCT ON (version, as_of) id, version, as_of, run_id, verdict, reason, made_at
    FROM monitoring WHERE metric = 'verdict' ORDER BY version, as_of, id DESC
) AS newest
ORDER BY as_of DESC, id DESC
