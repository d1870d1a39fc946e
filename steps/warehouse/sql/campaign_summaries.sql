-- The newest campaigns. Of a campaign's users, which agree about it, the index gives the first one.
SELECT names.campaign, (made.as_of AT TIME ZONE 'UTC')::date, made.version, made.run_id, made.made_at
FROM (SELECT DISTINCT campaign FROM campaign_gains) AS names
CROSS JOIN LATERAL (SELECT * FROM campaigns WHERE campaign = names.campaign ORDER BY user_id LIMIT 1) AS made
ORDER BY made.as_of DESC, made.made_at DESC
LIMIT 24
