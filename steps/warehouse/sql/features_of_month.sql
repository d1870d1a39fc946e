-- Every user with a profile, with the month's served values of all views; missing values are null.
SELECT present.user_id, {columns} FROM subscriptions_profile_snapshots AS present {joins}
WHERE present.as_of = {as_of} ORDER BY present.user_id
