SELECT DISTINCT (answered_at AT TIME ZONE 'UTC')::date FROM prediction_log_default
WHERE answered_at >= %(since)s AND answered_at < %(before)s
