-- Rows from a clock that is wrong by days stay in the default partition.
SELECT DISTINCT (answered_at AT TIME ZONE 'UTC')::date FROM prediction_log_default WHERE answered_at < %(before)s
