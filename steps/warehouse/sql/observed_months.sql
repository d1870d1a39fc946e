-- Number, newest day, newest load, and the first load of the months without any label.
SELECT count(*), max(as_of), max(loaded_at), min(loaded_at) FILTER (
    WHERE NOT EXISTS (SELECT FROM labels WHERE period_start = (months.as_of AT TIME ZONE 'UTC')::date)
)
FROM months
