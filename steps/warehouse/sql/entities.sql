-- Who had a profile at as_of, as far as was known then. A version known at as_of is the only one of its user.
SELECT user_id, as_of AS event_timestamp FROM subscriptions_profile_versions
WHERE as_of = '{as_of}'::timestamptz AND created_at <= as_of
