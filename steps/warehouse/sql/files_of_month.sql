SELECT files_sha256 FROM months WHERE as_of = %(as_of)s
