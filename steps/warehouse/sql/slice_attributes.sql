-- What users are divided into slices by; the household is that of the newest month.
SELECT profile.user_id, users.user_gender, users.user_is_senior, profile.contract_type, profile.net_service,
       profile.months_active
FROM subscriptions_profile_snapshots AS profile JOIN users USING (user_id)
WHERE profile.as_of = {as_of} ORDER BY profile.user_id
