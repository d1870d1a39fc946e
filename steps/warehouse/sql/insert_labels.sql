-- For a month without labels.
INSERT INTO labels ({columns}, period_start, created_at, late)
SELECT {columns}, %(month)s, %(known_at)s, %(late)s FROM {staging} ORDER BY user_id
