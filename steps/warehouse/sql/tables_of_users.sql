-- Tables of the warehouse with rows of users, and Feast's online tables, also those of a build that was killed, of views
-- that are gone, and of before Redis. A partitioned table stands for its partitions.
SELECT nspname, relname, attname FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND NOT attisdropped
WHERE relkind IN ('r', 'p') AND NOT relispartition
  AND (nspname, attname) IN (('public', 'user_id'), (%(online)s, 'entity_key'))
ORDER BY nspname DESC, relname
