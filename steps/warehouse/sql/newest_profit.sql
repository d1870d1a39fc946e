-- The newest that could be measured: labels can come after the list. Else the newest, which says that none could.
SELECT run_id, version, made_at, profit FROM campaign_profits WHERE campaign = %(campaign)s
ORDER BY profit IS NULL, made_at DESC LIMIT 1
