"""The offline engine that joins training sets: PostgreSQL, or DuckDB or Spark over the lake.

The setting is STREAMFLOW_OFFLINE_ENGINE.
"""

import importlib.util
import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.settings import UnsetVariables, UnusableOnlineStore
from feature_store.spark import spark_conf
from feature_store.store import open_store
from steps import warehouse
from steps.cli.errors import BadParameter, EngineUnavailable, OnlineStoreUnavailable
from steps.cli.settings import Settings, let_children_use_this_python
from steps.features import lake

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

PROFILES = "subscriptions_profile_snapshots"


def open_engine() -> "FeatureStore":
    """The feature store with the configured engine.

    Raises EngineUnavailable, OnlineStoreUnavailable, BadParameter.
    """
    settings = Settings.from_env()
    engine = settings.offline_engine
    if engine != "postgres":
        lake.folder()
    if engine == "spark":
        require_spark()
    return open_online(engine, settings.spark_master)


def open_online(engine: str = "postgres", spark_master: str = "") -> "FeatureStore":
    """The feature store with the configured online store.

    Raises OnlineStoreUnavailable, and BadParameter where one of libpq's variables is not set.
    """
    try:
        return open_store(engine, spark_master)
    except UnusableOnlineStore as error:
        raise OnlineStoreUnavailable(str(error)) from error
    except UnsetVariables as error:
        raise BadParameter(str(error)) from error


def require_spark() -> None:
    """Raises EngineUnavailable, with the commands to run, if PySpark or Java is missing."""
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
    let_children_use_this_python()  # Spark's workers run the first `python3` on PATH


def entities(engine: str, as_of: date) -> "str | pd.DataFrame":
    """user_id and event_timestamp of the users with a profile at as_of: a query, or rows for DuckDB.

    engine: the type of Feast's offline store. Raises NoSnapshot, LakeDisagrees.
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
    profiles = table.filter(pc.less_equal(table["created_at"], table["event_timestamp"]))
    frame: pd.DataFrame = profiles.select(["user_id", "event_timestamp"]).to_pandas()
    return frame


def spark_session(master: str) -> Any:
    """The running session, or a new one. Call require_spark() first."""
    from pyspark import SparkConf  # noqa: PLC0415 - an extra
    from pyspark.sql import SparkSession  # noqa: PLC0415

    return SparkSession.builder.config(conf=SparkConf().setAll(list(spark_conf(master).items()))).getOrCreate()
