INSERT INTO erased_users (user_hash) SELECT erased_user_hash(user_id) FROM erased_now ON CONFLICT DO NOTHING
