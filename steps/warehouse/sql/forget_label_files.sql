-- The files of a month's own labels are the last load's, and those known before it.
DELETE FROM label_files WHERE as_of = %(as_of)s AND NOT late AND known_at >= %(known_at)s AND sha256 <> %(sha256)s
