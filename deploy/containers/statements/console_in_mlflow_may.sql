SELECT * FROM model_versions
SELECT * FROM registered_models
SELECT * FROM model_version_tags
SELECT experiment_id, name FROM experiments
