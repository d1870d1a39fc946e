"""What joins training sets: PostgreSQL, or DuckDB or Spark over the lake. One setting, STREAMFLOW_OFFLINE_ENGINE."""

import importlib.util
import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.settings import UnusableOnlineStore
from feature_store.spark import spark_conf
from feature_store.store import open_store
from steps import warehouse
from steps.cli.errors import EngineUnavailable, OnlineStoreUnavailable
from steps.cli.settings import Settings, let_children_use_this_python
from steps.features import lake

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

PROFILES = "subscriptions_profile_snapshots"


def open_engine() -> "FeatureStore":
    """The feature store with the engine that is set. Raises EngineUnavailable, OnlineStoreUnavailable, BadParameter."""
    settings = Settings.from_env()
    engine = settings.offline_engine
    if engine != "postgres":
        lake.folder()
    if engine == "spark":
        require_spark()
    return open_online(engine, settings.spark_master)


def open_online(engine: str = "postgres", spark_master: str = "") -> "FeatureStore":
    """The feature store with the online store that is set. Raises OnlineStoreUnavailable."""
    try:
        return open_store(engine, spark_master)
    except UnusableOnlineStore as error:
        raise OnlineStoreUnavailable(str(error)) from error


def require_spark() -> None:
    """Raises EngineUnavailable, with what to do, where PySpark or Java is missing."""
    if importlib.util.find_spec("pyspark") is None:
        raise EngineUnavailable(
            "The engine spark needs PySpark: .venv/bin/uv pip install -r requirements-spark.txt "
            "(or set STREAMFLOW_OFFLINE_ENGINE=duckdb)"
        )
    if not (shutil.which("java") or Settings.from_env().java_home):
        raise EngineUnavailable(
            "The engine spark needs Java 17 or newer, on PATH or at JAVA_HOME: apt-get install default-jre-headless "
            "(or set STREAMFLOW_OFFLINE_ENGINE=duckdb)"
        )
    let_children_use_this_python()  # Spark's workers are whatever `python3` is first on PATH


def entities(engine: str, as_of: date) -> "str | pd.DataFrame":
    """Who had a profile at as_of, as that type of Feast's stores takes it: a query, or rows for DuckDB.

    Raises NoSnapshot, LakeDisagrees.
    """
    warehouse.require_known(as_of)
    if engine not in ("duckdb", "spark"):
        return warehouse.entities(as_of)
    lake.require_month(as_of)
    if engine == "spark":
        return warehouse.entities_of_file(lake.path(PROFILES, as_of))
    table = pq.read_table(
        lake.path(PROFILES, as_of), columns=["user_id", "event_timestamp", "created_at"], partitioning=None
    )
    known = table.filter(pc.less_equal(table["created_at"], table["event_timestamp"]))
    frame: pd.DataFrame = known.select(["user_id", "event_timestamp"]).to_pandas()
    return frame


def spark_session(master: str) -> Any:
    """The running session, or a new one. Call require_spark() first."""
    from pyspark import SparkConf  # noqa: PLC0415 - an extra
    from pyspark.sql import SparkSession  # noqa: PLC0415

    return SparkSession.builder.config(conf=SparkConf().setAll(list(spark_conf(master).items()))).getOrCreate()
