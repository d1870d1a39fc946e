INSERT INTO months AS stored (as_of, files_sha256) VALUES (%(as_of)s, %(files_sha256)s)
ON CONFLICT (as_of) DO UPDATE SET files_sha256 = EXCLUDED.files_sha256, loaded_at = now()
WHERE stored.files_sha256 IS DISTINCT FROM EXCLUDED.files_sha256
