SELECT user_id, churn_label FROM labels WHERE period_start = %(period_start)s
