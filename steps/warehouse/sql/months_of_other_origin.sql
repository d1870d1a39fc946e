SELECT as_of FROM months WHERE origin <> %(origin)s ORDER BY as_of
