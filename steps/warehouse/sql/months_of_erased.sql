-- The months with a version of a snapshot of the user.
SELECT as_of FROM subscriptions_profile_versions WHERE user_id = (SELECT user_id FROM erased_now)
UNION SELECT as_of FROM usage_agg_30d_versions WHERE user_id = (SELECT user_id FROM erased_now)
UNION SELECT as_of FROM payments_agg_90d_versions WHERE user_id = (SELECT user_id FROM erased_now)
UNION SELECT as_of FROM support_agg_90d_versions WHERE user_id = (SELECT user_id FROM erased_now)
ORDER BY as_of
