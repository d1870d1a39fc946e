SELECT count(*) FROM {table} WHERE as_of = %(as_of)s
