SELECT * FROM users
SELECT * FROM labels
SELECT * FROM subscriptions_profile_snapshots
DELETE FROM feast_online.streamflow_subs_profile_fv
