-- Every user with a profile, with the month's values of all views as they are served: null where there is none.
SELECT present.user_id, {columns} FROM subscriptions_profile_snapshots AS present {joins}
WHERE present.as_of = {as_of} ORDER BY present.user_id
