SELECT sha256 FROM label_files WHERE as_of = %(as_of)s AND known_at <= %(known_at)s ORDER BY loaded_at, sha256
