SELECT relname, pg_total_relation_size(pg_class.oid) FROM pg_inherits
JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'prediction_log'::regclass AND relname ~ '^prediction_log_[0-9]{8}$'
ORDER BY relname
