-- A load says how things were from known_at on: versions from then or later are no history any more.
DELETE FROM {superseded} WHERE as_of = %(month)s AND created_at >= %(known_at)s
