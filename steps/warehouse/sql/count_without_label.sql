SELECT count(*) FROM ({users}) AS present
WHERE NOT EXISTS (SELECT FROM labels WHERE period_start = %(period_start)s AND labels.user_id = present.user_id)
