UPDATE model_versions SET current_stage = 'Production'
UPDATE model_versions SET source = 'elsewhere'
UPDATE registered_models SET name = 'mine'
INSERT INTO model_version_tags (key, value, name, version) VALUES ('mine', 'mine', 'mine', 1)
DELETE FROM model_versions
SELECT * FROM runs
SELECT secret FROM webhooks
UPDATE experiments SET name = 'mine'
DROP TABLE model_versions
TRUNCATE registered_model_aliases
CREATE TABLE public.mine (x int)
UPDATE model_versions SET description = 'mine'
INSERT INTO registered_model_aliases (name, alias, version) VALUES ('mine', 'mine', 1)
