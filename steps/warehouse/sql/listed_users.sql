-- Whom the filter leaves is found by an index; the reasons are read of the page's users only.
SELECT user_id, probability, expected_gain, reasons
FROM (
    SELECT user_id FROM campaigns
    WHERE campaign = %(campaign)s AND role = 'listed' AND probability >= %(least)s
      AND user_id ^@ %(part)s
      AND (%(reason)s = '' OR strongest_reason = %(reason)s)
    ORDER BY expected_gain DESC, user_id
    LIMIT %(limit)s OFFSET %(offset)s
) AS page
JOIN campaigns USING (user_id)
WHERE campaign = %(campaign)s
ORDER BY expected_gain DESC, user_id
