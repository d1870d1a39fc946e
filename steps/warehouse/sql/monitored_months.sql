SELECT DISTINCT as_of FROM monitoring WHERE version = %(version)s ORDER BY as_of
