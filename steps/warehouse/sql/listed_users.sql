SELECT user_id, probability, expected_gain, reasons
FROM campaigns
WHERE campaign = %(campaign)s AND role = 'listed' AND probability >= %(least)s
  AND user_id ^@ %(part)s
  AND (%(reason)s = '' OR EXISTS (
      SELECT FROM jsonb_array_elements_text(reasons) AS reason WHERE position(%(reason)s IN reason) > 0))
ORDER BY expected_gain DESC, user_id
LIMIT %(limit)s OFFSET %(offset)s
