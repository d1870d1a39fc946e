SELECT erased_at FROM erased_users WHERE user_hash = (SELECT erased_user_hash(user_id) FROM erased_now)
