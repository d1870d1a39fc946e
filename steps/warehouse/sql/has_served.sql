SELECT EXISTS (
    SELECT FROM serving_history
    WHERE model = %(model)s AND version = %(version)s AND run_id IS NOT DISTINCT FROM %(run_id)s AND at > %(after)s
)
