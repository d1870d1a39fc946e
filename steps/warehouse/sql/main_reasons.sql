-- The features that are the strongest reason of a listed user, each looked up in the index after the one before.
WITH RECURSIVE features AS (
    (SELECT main_reason FROM campaigns
     WHERE campaign = %(campaign)s AND role = 'listed' AND main_reason IS NOT NULL
     ORDER BY main_reason LIMIT 1)
    UNION ALL
    SELECT following.main_reason
    FROM features CROSS JOIN LATERAL (
        SELECT main_reason FROM campaigns
        WHERE campaign = %(campaign)s AND role = 'listed' AND main_reason > features.main_reason
        ORDER BY main_reason LIMIT 1
    ) AS following
)
SELECT main_reason FROM features
