SELECT count(*) FROM {table} WHERE {month} = %(month)s
