DELETE FROM {table} WHERE {column} = (SELECT {column} FROM erased_now)
