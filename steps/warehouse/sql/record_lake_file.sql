INSERT INTO lake_files (table_name, as_of, rows, sha256) VALUES (%(table)s, %(as_of)s, %(rows)s, %(sha256)s)
ON CONFLICT (table_name, as_of) DO UPDATE SET rows = EXCLUDED.rows, sha256 = EXCLUDED.sha256
