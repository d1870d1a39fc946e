"""From a FeatureService's definition to what reads its features online: one statement, or the fields of a hash."""

import importlib
import math
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from psycopg import sql

import feature_store
from configuration import names
from feature_store.reading import Plan
from feature_store.redis.names import field_of_times

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

KEYS_KEPT = 50_000
VALUES_KEPT = 100_000

# The names are spelled out, so that a service takes from a view no more than its own features.
VIEW = sql.SQL(
    "SELECT entity_key, feature_name, value, event_ts FROM {table}"
    " WHERE entity_key = ANY($1::bytea[]) AND feature_name IN ({names})"
)
NEWEST = sql.SQL("(SELECT max(event_ts) FROM {table})")


class UnknownService(LookupError):
    """No FeatureService of that name is in Feast's registry."""


def make_plan(service_name: str) -> Plan:
    """Leaves nothing open. Raises UnknownService, and whatever Feast raises while it reads the definition."""
    store = feature_store.open_store()
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
    """What the view's tag says. A definition from before there was one has its ttl, which said so then."""
    days = view.tags.get("largest_age_days")
    return timedelta(days=float(days)) if days else view.ttl


def _service(store: "FeatureStore", name: str) -> "FeatureService":
    errors = importlib.import_module("feast.errors")
    try:
        return store.get_feature_service(name)
    except errors.FeatureServiceNotFoundException as error:
        raise UnknownService(f"Feast knows no FeatureService {name}. Run: mlflow run . -e materialize") from error


def _table(store: "FeatureStore", view: str) -> sql.Identifier:
    return sql.Identifier(names.ONLINE_SCHEMA, feature_store.online_table(store, view))


def _fields(features: "list[tuple[str, str]]") -> tuple[bytes, ...]:
    hashed = importlib.import_module("feast.infra.online_stores.helpers")._mmh3  # Feast's name of a feature in Redis
    values = [hashed(f"{view}:{feature}") for feature, view in features]
    return (*values, *(field_of_times(view) for view in dict.fromkeys(view for _feature, view in features)))


def _key_of() -> Callable[[str], bytes]:
    return lru_cache(KEYS_KEPT)(lambda user_id: next(iter(feature_store.entity_keys([user_id]))))


def _value_of() -> Callable[[bytes], Any]:
    """A stored value as Feast itself would hand it out, remembered: most values come again and again."""
    message = importlib.import_module("feast.protos.feast.types.Value_pb2").Value
    as_python = importlib.import_module("feast.type_map").feast_value_type_to_python_type

    def value_of(stored: bytes) -> Any:
        value = as_python(message.FromString(stored))
        # NaN and infinity say as little as null, and JSON cannot carry them
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return lru_cache(VALUES_KEPT)(value_of)
