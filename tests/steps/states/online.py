"""What Feast serves, and what it should: the newest snapshot and nothing else."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from feature_store.store import feature_types, open_store
from tests.steps.states.database import fetch

SNAPSHOT = """
    SELECT u.user_id, months_active, monthly_fee, paperless_billing, plan_stream_tv, plan_stream_movies, net_service,
        watch_hours_30d, avg_session_mins_7d, unique_devices_30d, skips_7d, rebuffer_events_7d,
        failed_payments_90d, support_tickets_90d, ticket_avg_resolution_hrs_90d,
        contract_type, total_paid
    FROM (SELECT user_id, %s::timestamptz AS as_of FROM users) u
    LEFT JOIN subscriptions_profile_snapshots USING (user_id, as_of)
    LEFT JOIN usage_agg_30d_snapshots USING (user_id, as_of)
    LEFT JOIN payments_agg_90d_snapshots USING (user_id, as_of)
    LEFT JOIN support_agg_90d_snapshots USING (user_id, as_of)
    ORDER BY user_id
"""


COUNTS = {"churn_v1": 14, "churn_v2": 16}


def in_snapshot(as_of: date, service: str = "churn_v1") -> dict[str, list[Any]]:
    """Every user ever loaded, with the service's values of that month; None where the month has none."""
    return {user_id: values[: COUNTS[service]] for user_id, *values in fetch(SNAPSHOT, (str(as_of),))}


def served(user_ids: Sequence[str], service: str = "churn_v1") -> dict[str, list[Any]]:
    """The same, as Feast answers it."""
    store = open_store()
    try:
        names = list(feature_types(store, service))
        answer = store.get_online_features(
            features=store.get_feature_service(service),
            entity_rows=[{"user_id": user_id} for user_id in user_ids],
        ).to_dict()
    finally:
        store.provider.online_store.close_connections()
        store.registry.write_engine.dispose()
    columns = [answer[name] for name in names]
    return {user_id: [column[place] for column in columns] for place, user_id in enumerate(user_ids)}
