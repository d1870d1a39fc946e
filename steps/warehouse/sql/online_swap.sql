DROP TABLE {table};
ALTER TABLE {next} RENAME TO {old_name};
ALTER TABLE {table} RENAME CONSTRAINT {next_pkey} TO {old_pkey};
ALTER INDEX {next_ek_index} RENAME TO {old_ek}
