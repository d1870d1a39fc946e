-- What was written of a month, and how many rows the database has of it now.
SELECT table_name, rows, sha256 FROM lake_files WHERE as_of = %(as_of)s ORDER BY table_name
