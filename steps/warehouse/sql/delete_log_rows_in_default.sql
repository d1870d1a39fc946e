DELETE FROM prediction_log_default WHERE answered_at < %(before)s
