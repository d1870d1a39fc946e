-- Users who are in no other month. users.as_of is the newest month a user is in, or -infinity where that was removed.
SELECT user_id FROM users AS u
WHERE as_of IN (%(as_of)s, '-infinity')
  AND NOT EXISTS (SELECT FROM subscriptions_profile_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = u.user_id)
  AND NOT EXISTS (SELECT FROM usage_agg_30d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = u.user_id)
  AND NOT EXISTS (SELECT FROM payments_agg_90d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = u.user_id)
  AND NOT EXISTS (SELECT FROM support_agg_90d_versions v WHERE v.as_of <> %(as_of)s AND v.user_id = u.user_id)
  AND NOT EXISTS (SELECT FROM labels_versions v WHERE v.period_start <> %(period_start)s AND v.user_id = u.user_id)
