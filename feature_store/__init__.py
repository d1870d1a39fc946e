"""Opens the feature store; the only door to Feast for the steps and the gateway."""

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_store.plain_feast import import_feast as import_feast
from feature_store.settings import StoreSettings, UnsetVariables, unset
from feature_store.settings import UnusableOnlineStore as UnusableOnlineStore  # raised by what is here

if TYPE_CHECKING:
    from feast import FeatureStore

    from feature_store.reading import Reader
    from feature_store.redis.store import NextMonth

FOLDER = Path(__file__).resolve().parent.parent / "feature_repo"
ADDRESS = ("PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGUSER")


def open_store(engine: str = "postgres", spark_master: str = "") -> "FeatureStore":
    """The feature store that feature_store.yaml describes. engine: what joins training sets, postgres, duckdb or spark.

    Raises UnsetVariables when the environment lacks one of the variables in ADDRESS, and UnusableOnlineStore.
    """
    config = FOLDER / "feature_store.yaml"
    if missing := unset(ADDRESS):
        raise UnsetVariables(missing)
    redis = redis_url()
    feast = import_feast()
    settings = importlib.import_module("feast.repo_config").load_repo_config(FOLDER, config)
    if engine != "postgres":
        settings.provider = "feature_store.lake.LakeProvider"
        settings.offline_config = _engine(engine, spark_master)
    if redis:
        store_class = "feature_store.redis.store.MonthlyRedisOnlineStore"
        settings.online_config = {"type": store_class, "connection_string": redis}
    store: FeatureStore = feast.FeatureStore(config=settings)
    return store


def redis_url() -> str | None:
    """Where the online values are: None for PostgreSQL, else Redis' address. Raises UnusableOnlineStore."""
    settings = StoreSettings.read()
    if settings.online_store == "postgres":
        return None
    if importlib.util.find_spec("redis") is None:
        raise UnusableOnlineStore("Redis needs its client: .venv/bin/uv pip install -r requirements-redis.txt")
    return settings.redis


def open_reader() -> "Reader":
    """What the gateway reads online values with. Connects to nothing yet. Raises UnusableOnlineStore."""
    url = redis_url()
    if url:
        reader: Reader = importlib.import_module("feature_store.redis.reader").RedisReader(url, _project())
        return reader
    postgres: Reader = importlib.import_module("feature_store.postgres.reader").OnlineReader()
    return postgres


def _project() -> str:
    """Feast's name of all this, without a wait for Feast."""
    return str(re.findall(r"^project: (\w+)$", (FOLDER / "feature_store.yaml").read_text(), re.MULTILINE)[0])


def _engine(engine: str, spark_master: str) -> dict[str, Any]:
    if engine == "duckdb":
        return {"type": "duckdb"}
    lake = importlib.import_module("feature_store.lake")
    return {"type": "spark", "spark_conf": lake.spark_conf(spark_master)}


def apply_definitions(store: "FeatureStore") -> None:
    """Writes features.py into the registry and makes the online tables. Idempotent."""
    store.apply(importlib.import_module("feature_repo.features").DEFINITIONS)


def online_table(store: "FeatureStore", view_name: str) -> str:
    """The table, in the online schema, that holds the view's values."""
    online_store = importlib.import_module("feature_store.postgres.online_store")
    return str(online_store.online_table(store.project, store.get_feature_view(view_name)))


def entity_keys(user_ids: Iterable[str]) -> Iterator[bytes]:
    """The users' keys as the online tables hold them."""
    keys: Iterator[bytes] = importlib.import_module("feature_store.postgres.online_store").entity_keys(user_ids)
    return keys


@dataclass(frozen=True)
class OnlineView:
    """A view as bulk loading needs it: whose rows go where, in which form."""

    name: str
    table: str
    snapshots: str
    """The table in the warehouse that holds the view's newest values"""
    encoders: Mapping[str, Callable[[Sequence[Any]], Iterator[tuple[bytes, str | None]]]]
    """feature -> from values to what the online table holds of each: value and value_text"""


def online_views(store: "FeatureStore") -> list[OnlineView]:
    """In the order in which the services read them, so that readers and writers lock tables in one order."""
    online_store = importlib.import_module("feature_store.postgres.online_store")
    services = sorted(store.list_feature_services(), key=lambda service: str(service.name))
    read = [projection.name for service in services for projection in service.feature_view_projections]
    views = {view.name: view for view in store.list_feature_views()}
    return [
        OnlineView(
            name,
            str(online_store.online_table(store.project, views[name])),
            str(views[name].batch_source.name),
            {field.name: partial(online_store.stored_values, dtype=field.dtype) for field in views[name].features},
        )
        for name in dict.fromkeys([*read, *views])
    ]


def online_moment(store: "FeatureStore") -> datetime | None:
    """The event time of the month that is online in Redis."""
    redis_store = importlib.import_module("feature_store.redis.store")
    moment: datetime | None = redis_store.online_moment(store.config.online_store.connection_string, store.project)
    return moment


def next_month(store: "FeatureStore", moment: datetime) -> "NextMonth":
    """A month to be written into Redis."""
    redis_store = importlib.import_module("feature_store.redis.store")
    month: NextMonth = redis_store.NextMonth(store.config.online_store.connection_string, store.project, moment)
    return month


def service_views(store: "FeatureStore", service_name: str) -> dict[str, list[str]]:
    """The service's views and the features it takes of each, in the model's order."""
    service = store.get_feature_service(service_name)
    return {view.name: [f.name for f in view.features] for view in service.feature_view_projections}


def spark_conf(master: str) -> Mapping[str, str]:
    """Spark's settings for training sets and scoring."""
    conf: Mapping[str, str] = importlib.import_module("feature_store.lake").spark_conf(master)
    return conf


def feature_types(store: "FeatureStore", service_name: str) -> dict[str, str]:
    """The service's features in the model's order, each with its Feast type's name (Int64, Float64, Bool, String)."""
    service = store.get_feature_service(service_name)
    return {f.name: str(f.dtype) for view in service.feature_view_projections for f in view.features}
