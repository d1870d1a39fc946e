INSERT INTO label_files (as_of, sha256, known_at, late) VALUES (%(as_of)s, %(sha256)s, %(known_at)s, %(late)s)
ON CONFLICT (as_of, sha256, known_at) DO NOTHING
