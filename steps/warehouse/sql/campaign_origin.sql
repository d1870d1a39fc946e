SELECT (as_of AT TIME ZONE 'UTC')::date, version, run_id, made_at FROM campaigns WHERE campaign = %(campaign)s LIMIT 1
