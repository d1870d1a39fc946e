-- The loaded months, oldest first, and where each came from; a warehouse from before `origin` holds a company's own.
SELECT (as_of AT TIME ZONE 'UTC')::date, files_sha256, coalesce(to_jsonb(months) ->> 'origin', 'files')
FROM months ORDER BY as_of
