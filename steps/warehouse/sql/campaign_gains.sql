-- The users of each role by expected gain, from the largest to the smallest.
SELECT role, users, gain FROM campaign_gains WHERE campaign = %(campaign)s ORDER BY role, place DESC
