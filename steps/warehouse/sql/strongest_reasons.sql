-- The features that are the strongest reason of a listed user, each looked up in the index after the one before.
WITH RECURSIVE features AS (
    (SELECT strongest_reason FROM campaigns
     WHERE campaign = %(campaign)s AND role = 'listed' AND strongest_reason IS NOT NULL
     ORDER BY strongest_reason LIMIT 1)
    UNION ALL
    SELECT following.strongest_reason
    FROM features CROSS JOIN LATERAL (
        SELECT strongest_reason FROM campaigns
        WHERE campaign = %(campaign)s AND role = 'listed' AND strongest_reason > features.strongest_reason
        ORDER BY strongest_reason LIMIT 1
    ) AS following
)
SELECT strongest_reason FROM features
