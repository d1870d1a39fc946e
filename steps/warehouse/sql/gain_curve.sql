-- The expected gain of the first users of the list, at about 40 places and at its end.
SELECT place, gain FROM (
    SELECT row_number() OVER by_gain AS place, sum(expected_gain) OVER by_gain AS gain, count(*) OVER () AS users
    FROM campaigns WHERE campaign = %(campaign)s AND role = 'listed'
    WINDOW by_gain AS (ORDER BY expected_gain DESC, user_id)
) AS ranked
WHERE place = 1 OR place = users OR mod(place, greatest(users / 40, 1)) = 0
ORDER BY place
