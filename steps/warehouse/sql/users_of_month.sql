-- Everybody of whom the month says anything, and those who are known from its users.csv alone.
SELECT user_id FROM subscriptions_profile_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM usage_agg_30d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM payments_agg_90d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM support_agg_90d_versions WHERE as_of = {as_of}
UNION SELECT user_id FROM users WHERE as_of = {as_of}
