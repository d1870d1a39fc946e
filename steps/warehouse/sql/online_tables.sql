-- Feast's online tables, also those of a build that was killed, of views that are gone, and of before Redis.
SELECT relname FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'entity_key' AND NOT attisdropped
WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind = 'r' ORDER BY relname
