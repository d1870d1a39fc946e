INSERT INTO months AS stored (as_of, files_sha256, origin) VALUES (%(as_of)s, %(files_sha256)s, %(origin)s)
ON CONFLICT (as_of) DO UPDATE SET files_sha256 = EXCLUDED.files_sha256, origin = EXCLUDED.origin, loaded_at = now()
WHERE (stored.files_sha256, stored.origin) IS DISTINCT FROM (EXCLUDED.files_sha256, EXCLUDED.origin)
