-- A load replaces every version from known_at on: replaced versions from then or later go.
DELETE FROM {superseded} WHERE as_of = %(month)s AND created_at >= %(known_at)s
