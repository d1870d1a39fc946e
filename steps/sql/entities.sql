SELECT user_id, as_of AS event_timestamp FROM subscriptions_profile_snapshots WHERE as_of = '{as_of}'::timestamptz
