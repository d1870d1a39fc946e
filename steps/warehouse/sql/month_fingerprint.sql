-- One value for a month's snapshots (labels have their own). Any change of a row changes it.
-- Sums of 64-bit hashes do not depend on the order of the rows.
WITH row_hashes AS (
    SELECT hashtextextended(s::text, 1) AS hash FROM subscriptions_profile_versions s WHERE as_of = %(as_of)s
    UNION ALL
    SELECT hashtextextended(s::text, 2) FROM usage_agg_30d_versions s WHERE as_of = %(as_of)s
    UNION ALL
    SELECT hashtextextended(s::text, 3) FROM payments_agg_90d_versions s WHERE as_of = %(as_of)s
    UNION ALL
    SELECT hashtextextended(s::text, 4) FROM support_agg_90d_versions s WHERE as_of = %(as_of)s
)
SELECT count(*) || '-' || coalesce(sum(hash::numeric), 0) AS fingerprint FROM row_hashes
