SELECT count(*) FROM {table} WHERE as_of = %(month)s
