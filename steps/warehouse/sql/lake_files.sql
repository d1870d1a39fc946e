-- The month's recorded Parquet files.
SELECT table_name, rows, sha256 FROM lake_files WHERE as_of = %(as_of)s ORDER BY table_name
