-- Of each campaign before a month: what became of its two groups in the first month loaded after it, as the labels of
-- that month say. A user who is no longer among the users of that month has left. in_time: whether the list was made
-- before that month was loaded.
WITH made AS (
    SELECT campaign, min(as_of) AS as_of, min(version) AS version, min(made_at) AS made_at FROM campaigns
    WHERE as_of < %(as_of)s GROUP BY campaign
), followed AS (
    SELECT made.*, following.as_of AS month, made_at < following.loaded_at AS in_time
    FROM made CROSS JOIN LATERAL (
        SELECT * FROM months WHERE months.as_of > made.as_of AND months.as_of <= %(as_of)s ORDER BY as_of LIMIT 1
    ) AS following
    WHERE EXISTS (SELECT FROM labels WHERE period_start = (following.as_of AT TIME ZONE 'UTC')::date)
)
SELECT followed.campaign, (followed.as_of AT TIME ZONE 'UTC')::date, followed.version,
    (followed.month AT TIME ZONE 'UTC')::date, followed.in_time, campaigns.role, count(*),
    count(*) FILTER (WHERE labels.churn_label),
    count(*) FILTER (WHERE profiles.user_id IS NULL AND labels.churn_label IS NOT TRUE),
    count(*) FILTER (WHERE profiles.user_id IS NOT NULL AND labels.user_id IS NULL)
FROM followed JOIN campaigns ON campaigns.campaign = followed.campaign
LEFT JOIN labels ON labels.period_start = (followed.month AT TIME ZONE 'UTC')::date
    AND labels.user_id = campaigns.user_id
LEFT JOIN subscriptions_profile_snapshots AS profiles ON profiles.as_of = followed.month
    AND profiles.user_id = campaigns.user_id
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 1, 6
