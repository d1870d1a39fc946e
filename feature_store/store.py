"""Feast's feature store: opened from feature_repo/, with the engine and the online store that are set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_store.plain_feast import import_feast
from feature_store.settings import UnsetVariables, redis_url, unset
from feature_store.spark import spark_conf

if TYPE_CHECKING:
    from feast import FeatureStore

FOLDER = Path(__file__).resolve().parent.parent / "feature_repo"
ADDRESS = ("PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGUSER")


def open_store(engine: str = "postgres", spark_master: str = "") -> "FeatureStore":
    """The feature store that feature_store.yaml describes. engine: what joins training sets, postgres, duckdb or spark.

    Raises UnsetVariables if one of the variables in ADDRESS is missing, and UnusableOnlineStore.
    """
    if missing := unset(ADDRESS):
        raise UnsetVariables(missing)
    redis = redis_url()
    feast = import_feast()
    from feast.repo_config import load_repo_config  # noqa: PLC0415

    config = load_repo_config(FOLDER, FOLDER / "feature_store.yaml")
    if engine != "postgres":
        config.provider = "feature_store.lake.LakeProvider"
        config.offline_config = _offline_config(engine, spark_master)
    if redis:
        store_class = "feature_store.redis.store.MonthlyRedisOnlineStore"
        config.online_config = {"type": store_class, "connection_string": redis}
    store: FeatureStore = feast.FeatureStore(config=config)
    return store


def _offline_config(engine: str, spark_master: str) -> dict[str, Any]:
    if engine == "duckdb":
        return {"type": "duckdb"}
    return {"type": "spark", "spark_conf": spark_conf(spark_master)}


def apply_definitions(store: "FeatureStore") -> None:
    """Writes features.py into Feast's registry and creates missing online tables. Idempotent."""
    from feature_repo.features import DEFINITIONS  # noqa: PLC0415 - imports Feast

    store.apply(DEFINITIONS)


def service_views(store: "FeatureStore", service_name: str) -> dict[str, list[str]]:
    """View -> the features that the service takes from it, in the model's order."""
    service = store.get_feature_service(service_name)
    return {view.name: [f.name for f in view.features] for view in service.feature_view_projections}


def feature_types(store: "FeatureStore", service_name: str) -> dict[str, str]:
    """Feature -> the name of its Feast type (Int64, Float64, Bool or String), in the model's order."""
    service = store.get_feature_service(service_name)
    return {f.name: str(f.dtype) for view in service.feature_view_projections for f in view.features}
