-- The users of a campaign: the listed ones first, then the control group, each by expected gain.
SELECT user_id, role, probability, expected_gain, reasons::text FROM campaigns WHERE campaign = {campaign}
ORDER BY role DESC, expected_gain DESC, user_id
