-- MLflow's artifact locations: of experiments, including deleted ones, and of versions registered from elsewhere.
SELECT 'experiment ' || name, artifact_location FROM experiments
UNION
SELECT 'experiment ' || experiments.name, runs.artifact_uri FROM runs JOIN experiments USING (experiment_id)
WHERE NOT starts_with(runs.artifact_uri, experiments.artifact_location)
UNION
SELECT 'version ' || version || ' of ' || name, coalesce(storage_location, source) FROM model_versions
ORDER BY 1, 2
