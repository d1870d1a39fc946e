-- The users in any of the month's snapshots, and those who are only in its users.csv.
SELECT user_id FROM subscriptions_profile_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM usage_agg_30d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM payments_agg_90d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM support_agg_90d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM users WHERE as_of = {as_of}
