-- The loaded months, oldest first, and their origin; warehouses older than the column `origin` contain real months.
SELECT (as_of AT TIME ZONE 'UTC')::date, files_sha256, coalesce(to_jsonb(months) ->> 'origin', 'files')
FROM months ORDER BY as_of
