"""The only list of features: entity, sources, views, and the services for training and serving models."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Bool, Float64, Int64, String

# A month is one day: a join never takes values of another month. Not 0, which Feast reads as "without limit".
SNAPSHOT_TTL = timedelta(seconds=1)
# How much older than the newest month online a value may be in the gateway.
LARGEST_AGE = {"largest_age_days": "27"}

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="A customer")


def snapshots(table: str) -> PostgreSQLSource:
    """The source of a snapshot table: all versions of its rows, with the moment at which each became known."""
    return PostgreSQLSource(
        name=table,
        table=table.replace("_snapshots", "_versions"),
        timestamp_field="as_of",
        created_timestamp_column="created_at",
    )


def snapshot_view(name: str, source: PostgreSQLSource, schema: list[Field]) -> FeatureView:
    return FeatureView(
        name=name, entities=[user], ttl=SNAPSHOT_TTL, schema=schema, source=source, online=True, tags=LARGEST_AGE
    )


profiles = snapshots("subscriptions_profile_snapshots")

subs_profile_fv = snapshot_view(
    "subs_profile_fv",
    profiles,
    [
        Field(name="months_active", dtype=Int64),
        Field(name="monthly_fee", dtype=Float64),
        Field(name="paperless_billing", dtype=Bool),
        Field(name="plan_stream_tv", dtype=Bool),
        Field(name="plan_stream_movies", dtype=Bool),
        Field(name="net_service", dtype=String),
    ],
)

usage_agg_30d_fv = snapshot_view(
    "usage_agg_30d_fv",
    snapshots("usage_agg_30d_snapshots"),
    [
        Field(name="watch_hours_30d", dtype=Float64),
        Field(name="avg_session_mins_7d", dtype=Float64),
        Field(name="unique_devices_30d", dtype=Int64),
        Field(name="skips_7d", dtype=Int64),
        Field(name="rebuffer_events_7d", dtype=Int64),
    ],
)

payments_agg_90d_fv = snapshot_view(
    "payments_agg_90d_fv",
    snapshots("payments_agg_90d_snapshots"),
    [Field(name="failed_payments_90d", dtype=Int64)],
)

support_agg_90d_fv = snapshot_view(
    "support_agg_90d_fv",
    snapshots("support_agg_90d_snapshots"),
    [
        Field(name="support_tickets_90d", dtype=Int64),
        Field(name="ticket_avg_resolution_hrs_90d", dtype=Float64),
    ],
)

# a separate view, so that churn_v1 keeps its 14 features
contract_fv = snapshot_view(
    "contract_fv",
    profiles,
    [
        Field(name="contract_type", dtype=String),
        Field(name="total_paid", dtype=Float64),
    ],
)

churn_v1 = FeatureService(
    name="churn_v1",
    features=[subs_profile_fv, usage_agg_30d_fv, payments_agg_90d_fv, support_agg_90d_fv],
    description="The 14 features of the baseline, in the model's order",
)

churn_v2 = FeatureService(
    name="churn_v2",
    features=[subs_profile_fv, usage_agg_30d_fv, payments_agg_90d_fv, support_agg_90d_fv, contract_fv],
    description="The 14 features of churn_v1, then those of the contract",
)

DEFINITIONS = [
    user,
    subs_profile_fv,
    usage_agg_30d_fv,
    payments_agg_90d_fv,
    support_agg_90d_fv,
    contract_fv,
    churn_v1,
    churn_v2,
]
