SELECT (as_of AT TIME ZONE 'UTC')::date, loaded_at, origin FROM months ORDER BY as_of DESC
