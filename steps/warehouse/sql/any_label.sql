SELECT EXISTS (SELECT FROM labels_versions WHERE period_start = %(month)s)
