SELECT as_of FROM months ORDER BY as_of
