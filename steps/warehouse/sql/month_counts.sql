-- The month's rows by table.
SELECT 'subscriptions_profile_snapshots', count(*) FROM subscriptions_profile_snapshots WHERE as_of = %(as_of)s
UNION ALL SELECT 'usage_agg_30d_snapshots', count(*) FROM usage_agg_30d_snapshots WHERE as_of = %(as_of)s
UNION ALL SELECT 'payments_agg_90d_snapshots', count(*) FROM payments_agg_90d_snapshots WHERE as_of = %(as_of)s
UNION ALL SELECT 'support_agg_90d_snapshots', count(*) FROM support_agg_90d_snapshots WHERE as_of = %(as_of)s
UNION ALL SELECT 'subscriptions_profile_superseded', count(*) FROM subscriptions_profile_superseded WHERE as_of = %(as_of)s
UNION ALL SELECT 'usage_agg_30d_superseded', count(*) FROM usage_agg_30d_superseded WHERE as_of = %(as_of)s
UNION ALL SELECT 'payments_agg_90d_superseded', count(*) FROM payments_agg_90d_superseded WHERE as_of = %(as_of)s
UNION ALL SELECT 'support_agg_90d_superseded', count(*) FROM support_agg_90d_superseded WHERE as_of = %(as_of)s
UNION ALL SELECT 'labels', count(*) FROM labels WHERE period_start = %(period_start)s
UNION ALL SELECT 'labels_superseded', count(*) FROM labels_superseded WHERE period_start = %(period_start)s
UNION ALL SELECT 'churn_scores', count(*) FROM churn_scores WHERE as_of = %(as_of)s
UNION ALL SELECT 'campaigns', count(*) FROM campaigns WHERE as_of = %(as_of)s
UNION ALL SELECT 'users of this month only', count(*) FROM ({users}) AS only_users
