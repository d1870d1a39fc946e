-- The users with a profile that was known at as_of. Such a version is the only one of its user.
SELECT user_id, as_of AS event_timestamp FROM subscriptions_profile_versions
WHERE as_of = '{as_of}'::timestamptz AND created_at <= as_of
