-- Users of whom no other month says anything. Their own row names the newest month that they are in, or none where that
-- one was removed.
SELECT user_id FROM users AS one
WHERE as_of IN (%(as_of)s, '-infinity')
  AND NOT EXISTS (SELECT FROM subscriptions_profile_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = one.user_id)
  AND NOT EXISTS (SELECT FROM usage_agg_30d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = one.user_id)
  AND NOT EXISTS (SELECT FROM payments_agg_90d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = one.user_id)
  AND NOT EXISTS (SELECT FROM support_agg_90d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = one.user_id)
  AND NOT EXISTS (SELECT FROM labels_versions v WHERE v.period_start <> %(period_start)s AND v.user_id = one.user_id)
