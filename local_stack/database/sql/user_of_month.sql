-- One user with all features in a month.
SELECT user_id
FROM subscriptions_profile_snapshots
JOIN usage_agg_30d_snapshots USING (as_of, user_id)
JOIN payments_agg_90d_snapshots USING (as_of, user_id)
JOIN support_agg_90d_snapshots USING (as_of, user_id)
WHERE (as_of AT TIME ZONE 'UTC')::date = %(as_of)s
ORDER BY user_id
LIMIT 1
