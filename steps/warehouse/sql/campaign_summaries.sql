-- The newest campaigns, with the numbers of their users and the gain that the list expects.
SELECT campaign, (as_of AT TIME ZONE 'UTC')::date, version, run_id, min(made_at),
       count(*) FILTER (WHERE role = 'listed'), count(*) FILTER (WHERE role = 'control'),
       coalesce(sum(expected_gain) FILTER (WHERE role = 'listed'), 0)
FROM campaigns
GROUP BY campaign, as_of, version, run_id
ORDER BY as_of DESC, min(made_at) DESC
LIMIT 24
