SELECT * FROM model_versions
SELECT * FROM registered_models
INSERT INTO registered_model_aliases (name, alias, version) SELECT name, 'a test', 1 FROM registered_models LIMIT 1
DELETE FROM registered_model_aliases WHERE alias = 'a test'
UPDATE model_versions SET description = description, last_updated_time = last_updated_time
