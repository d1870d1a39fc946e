"""From a FeatureService to the plan for reading its features online: a statement, and the fields of a hash."""

import math
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from psycopg import sql

from configuration import names
from feature_store.reading import Plan
from feature_store.redis.names import event_time_field
from feature_store.store import open_store

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

KEYS_KEPT = 50_000
VALUES_KEPT = 100_000

# The names are listed: a service takes only its own features from a view.
VIEW = sql.SQL(
    "SELECT entity_key, feature_name, value, event_ts FROM {table}"
    " WHERE entity_key = ANY($1::bytea[]) AND feature_name IN ({names})"
)
NEWEST = sql.SQL("(SELECT max(event_ts) FROM {table})")


class UnknownService(LookupError):
    """Feast's registry has no FeatureService of that name."""


def service_names() -> tuple[str, ...]:
    """Of all FeatureServices in Feast's registry, in alphabetical order. Raises any error of Feast."""
    store = open_store()
    try:
        return tuple(sorted(service.name for service in store.list_feature_services()))
    finally:
        store.registry.write_engine.dispose()


def make_plan(service_name: str) -> Plan:
    """Leaves nothing open. Raises UnknownService, and any error of Feast while it reads the definition."""
    store = open_store()
    try:
        return _plan(store, service_name)
    finally:
        store.registry.write_engine.dispose()


def _plan(store: "FeatureStore", service_name: str) -> Plan:
    service = _service(store, service_name)
    projections = service.feature_view_projections
    features = [(field, projection.name) for projection in projections for field in projection.features]
    tables = [_table(store, projection.name) for projection in projections]
    selects = [
        VIEW.format(table=table, names=sql.SQL(", ").join(sql.Literal(field.name) for field in projection.features))
        for table, projection in zip(tables, projections, strict=True)
    ]
    newest = sql.SQL(", ").join(NEWEST.format(table=table) for table in tables)
    ages = {projection.name: _largest_age(store.get_feature_view(projection.name)) for projection in projections}
    return Plan(
        service=service_name,
        names=tuple(field.name for field, _view in features),
        types=tuple(str(field.dtype) for field, _view in features),
        views=tuple(view for _field, view in features),
        largest_age={view: age for view, age in ages.items() if age},
        statement=sql.SQL(" UNION ALL ").join(selects).as_bytes(),
        newest_statement=sql.SQL("SELECT greatest({newest})").format(newest=newest).as_bytes(),
        key_of=_key_of(),
        value_of=_value_of(),
        fields=_fields([(field.name, view) for field, view in features]),
    )


def _largest_age(view: "FeatureView") -> timedelta | None:
    """From the view's tag. Definitions older than the tag have it in their ttl."""
    days = view.tags.get("largest_age_days")
    return timedelta(days=float(days)) if days else view.ttl


def _service(store: "FeatureStore", name: str) -> "FeatureService":
    from feast.errors import FeatureServiceNotFoundException  # noqa: PLC0415

    try:
        return store.get_feature_service(name)
    except FeatureServiceNotFoundException as error:
        raise UnknownService(f"Feast has no FeatureService {name}. Run: mlflow run . -e materialize") from error


def _table(store: "FeatureStore", view: str) -> sql.Identifier:
    from feature_store.postgres.online_store import online_table  # noqa: PLC0415 - imports Feast

    return sql.Identifier(names.ONLINE_SCHEMA, online_table(store.project, store.get_feature_view(view)))


def _fields(features: "list[tuple[str, str]]") -> tuple[bytes, ...]:
    from feast.infra.online_stores.helpers import _mmh3  # noqa: PLC0415 - Feast's name of a feature in Redis

    values = [_mmh3(f"{view}:{feature}") for feature, view in features]
    return (*values, *(event_time_field(view) for view in dict.fromkeys(view for _feature, view in features)))


def _key_of() -> Callable[[str], bytes]:
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports Feast

    return lru_cache(KEYS_KEPT)(lambda user_id: next(entity_keys([user_id])))


def _value_of() -> Callable[[bytes], Any]:
    """Decodes a stored value as Feast itself does. Cached: most values occur again and again."""
    from feast.protos.feast.types.Value_pb2 import Value  # noqa: PLC0415
    from feast.type_map import feast_value_type_to_python_type  # noqa: PLC0415

    def value_of(stored: bytes) -> Any:
        value = feast_value_type_to_python_type(Value.FromString(stored))
        # NaN and infinity count as missing, and JSON cannot carry them
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return lru_cache(VALUES_KEPT)(value_of)
