-- Removes every row of a month. Users of other months keep their attributes from this one until any month with them is
-- loaded again.
DELETE FROM users WHERE user_id IN ({users});
DELETE FROM subscriptions_profile_snapshots WHERE as_of = %(as_of)s;
DELETE FROM usage_agg_30d_snapshots WHERE as_of = %(as_of)s;
DELETE FROM payments_agg_90d_snapshots WHERE as_of = %(as_of)s;
DELETE FROM support_agg_90d_snapshots WHERE as_of = %(as_of)s;
DELETE FROM subscriptions_profile_superseded WHERE as_of = %(as_of)s;
DELETE FROM usage_agg_30d_superseded WHERE as_of = %(as_of)s;
DELETE FROM payments_agg_90d_superseded WHERE as_of = %(as_of)s;
DELETE FROM support_agg_90d_superseded WHERE as_of = %(as_of)s;
DELETE FROM labels WHERE period_start = %(period_start)s;
DELETE FROM labels_superseded WHERE period_start = %(period_start)s;
DELETE FROM label_files WHERE as_of = %(as_of)s;
DELETE FROM lake_files WHERE as_of = %(as_of)s;
DELETE FROM churn_scores WHERE as_of = %(as_of)s;
DELETE FROM months WHERE as_of = %(as_of)s;
DELETE FROM campaign_profits WHERE as_of = %(as_of)s;
DELETE FROM campaigns WHERE as_of = %(as_of)s; -- after the month, with which alone they go
UPDATE users SET as_of = '-infinity' WHERE as_of = %(as_of)s
