INSERT INTO campaign_profits (run_id, campaign, version, as_of, profit)
VALUES (%(run_id)s, %(campaign)s, %(version)s, %(as_of)s, %(profit)s)
