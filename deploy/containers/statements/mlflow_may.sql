SELECT * FROM experiments
UPDATE experiments SET name = name
INSERT INTO experiment_tags (key, value, experiment_id) SELECT 'a test', '1', experiment_id FROM experiments LIMIT 1
DELETE FROM experiment_tags WHERE key = 'a test'
