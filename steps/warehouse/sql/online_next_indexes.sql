-- The two indexes of Feast's online tables.
SET LOCAL maintenance_work_mem = '256MB';
ALTER TABLE {next} ADD CONSTRAINT {next_pkey} PRIMARY KEY (entity_key, feature_name);
CREATE INDEX {next_ek} ON {next} (entity_key);
ANALYZE {next}
