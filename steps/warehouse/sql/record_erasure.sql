INSERT INTO erasures (as_of, fingerprint_before, fingerprint_after) VALUES (%(as_of)s, %(before)s, %(after)s)
