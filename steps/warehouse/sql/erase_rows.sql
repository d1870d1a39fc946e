DELETE FROM {table} WHERE user_id = (SELECT user_id FROM erased_now)
