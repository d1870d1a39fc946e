SELECT EXISTS (SELECT FROM subscriptions_profile_versions WHERE as_of = %(as_of)s AND created_at <= as_of)
