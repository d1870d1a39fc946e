SELECT loaded_at FROM months WHERE as_of = %(as_of)s
