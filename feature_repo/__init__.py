"""Opens the feature store; the only door to Feast for the steps and the gateway.

Feast decorates its classes with typeguard's `typechecked`, which parses and recompiles every method at import:
5 of the 7 seconds that `import feast` took on two slow cores. typeguard calls these checks a development aid
and drops them under `python -O`; we drop them for the time of this one import and keep our own assertions.
"""

import importlib
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from feast import FeatureStore

    from feature_repo.reading import Reader
    from feature_repo.redis_store import NextMonth

FOLDER = Path(__file__).parent
REDIS_URLS = ("redis://", "rediss://", "unix://")
# two threads at once would each take the other's stand-in for the original
_importing = threading.Lock()


class UnsetVariables(ValueError):
    """feature_store.yaml names environment variables that are not set; Feast would take `${NAME}` literally."""


class UnusableOnlineStore(ValueError):
    """STREAMFLOW_ONLINE_STORE names none, or one that lacks what it needs."""


def import_feast() -> Any:
    """The feast package, imported without typeguard's instrumentation when this is the first import of it."""
    with _importing, mock.patch("typeguard.typechecked", _unchecked):
        return importlib.import_module("feast")


def _unchecked(target: Any = None, **_options: Any) -> Any:
    return target if target is not None else _unchecked


def open_store(engine: str = "postgres", spark_master: str = "") -> "FeatureStore":
    """The feature store that feature_store.yaml describes. engine: what joins training sets, postgres, duckdb or spark.

    Raises UnsetVariables when the environment lacks one of the variables it names, and UnusableOnlineStore.
    """
    config = FOLDER / "feature_store.yaml"
    unset = sorted({name for name in re.findall(r"\$\{(\w+)\}", config.read_text()) if name not in os.environ})
    if unset:
        raise UnsetVariables(f"Not set: {', '.join(unset)}. Run: . .venv/bin/activate (or see .env.example)")
    redis = redis_url()
    feast = import_feast()
    settings = importlib.import_module("feast.repo_config").load_repo_config(FOLDER, config)
    if engine != "postgres":
        settings.provider = "feature_repo.lake.LakeProvider"
        settings.offline_config = _engine(engine, spark_master)
    if redis:
        store_class = "feature_repo.redis_store.MonthlyRedisOnlineStore"
        settings.online_config = {"type": store_class, "connection_string": redis}
    store: FeatureStore = feast.FeatureStore(config=settings)
    return store


def redis_url() -> str | None:
    """Where the online values are: None for PostgreSQL, else Redis' address. Raises UnusableOnlineStore."""
    chosen, url = os.environ.get("STREAMFLOW_ONLINE_STORE", "postgres"), os.environ.get("STREAMFLOW_REDIS", "")
    if chosen == "postgres":
        return None
    if chosen != "redis":
        raise UnusableOnlineStore(f"STREAMFLOW_ONLINE_STORE={chosen!r} is neither postgres nor redis")
    if not url.startswith(REDIS_URLS):
        raise UnusableOnlineStore(f"STREAMFLOW_REDIS={url!r} is no address like redis://127.0.0.1:6379/0")
    if importlib.util.find_spec("redis") is None:
        raise UnusableOnlineStore("Redis needs its client: .venv/bin/uv pip install -r requirements-redis.txt")
    return url


def open_reader() -> "Reader":
    """What the gateway reads online values with. Connects to nothing yet. Raises UnusableOnlineStore."""
    url = redis_url()
    if url:
        reader: Reader = importlib.import_module("feature_repo.redis_reader").RedisReader(url, _project())
        return reader
    postgres: Reader = importlib.import_module("feature_repo.online_reader").OnlineReader()
    return postgres


def _project() -> str:
    """Feast's name of all this, without a wait for Feast."""
    return str(re.findall(r"^project: (\w+)$", (FOLDER / "feature_store.yaml").read_text(), re.MULTILINE)[0])


def _engine(engine: str, spark_master: str) -> dict[str, Any]:
    if engine == "duckdb":
        return {"type": "duckdb"}
    lake = importlib.import_module("feature_repo.lake")
    return {"type": "spark", "spark_conf": lake.spark_conf(spark_master)}


def apply_definitions(store: "FeatureStore") -> None:
    """Writes features.py into the registry and makes the online tables. Idempotent."""
    store.apply(importlib.import_module("feature_repo.features").DEFINITIONS)


def online_table(store: "FeatureStore", view_name: str) -> str:
    """The table, in the online schema, that holds the view's values."""
    online_store = importlib.import_module("feature_repo.online_store")
    return str(online_store.online_table(store.project, store.get_feature_view(view_name)))


def entity_keys(user_ids: Iterable[str]) -> Iterator[bytes]:
    """The users' keys as the online tables hold them."""
    keys: Iterator[bytes] = importlib.import_module("feature_repo.online_store").entity_keys(user_ids)
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
    online_store = importlib.import_module("feature_repo.online_store")
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
    redis_store = importlib.import_module("feature_repo.redis_store")
    moment: datetime | None = redis_store.online_moment(store.config.online_store.connection_string, store.project)
    return moment


def next_month(store: "FeatureStore", moment: datetime) -> "NextMonth":
    """A month to be written into Redis."""
    redis_store = importlib.import_module("feature_repo.redis_store")
    month: NextMonth = redis_store.NextMonth(store.config.online_store.connection_string, store.project, moment)
    return month


def service_views(store: "FeatureStore", service_name: str) -> dict[str, list[str]]:
    """The service's views and the features it takes of each, in the model's order."""
    service = store.get_feature_service(service_name)
    return {view.name: [f.name for f in view.features] for view in service.feature_view_projections}


def spark_conf(master: str) -> Mapping[str, str]:
    """Spark's settings for training sets and scoring."""
    conf: Mapping[str, str] = importlib.import_module("feature_repo.lake").spark_conf(master)
    return conf


def feature_types(store: "FeatureStore", service_name: str) -> dict[str, str]:
    """The service's features in the model's order, each with its Feast type's name (Int64, Float64, Bool, String)."""
    service = store.get_feature_service(service_name)
    return {f.name: str(f.dtype) for view in service.feature_view_projections for f in view.features}
