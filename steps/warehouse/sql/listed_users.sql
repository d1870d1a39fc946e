SELECT user_id, probability, expected_gain
FROM campaigns
WHERE campaign = %(campaign)s AND role = 'listed' AND probability >= %(least)s
  AND position(%(part)s IN user_id) > 0
ORDER BY expected_gain DESC, user_id
LIMIT %(limit)s OFFSET %(offset)s
