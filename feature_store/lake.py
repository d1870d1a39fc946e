"""Training sets from the lake: Feast's own DuckDB and Spark stores over the Parquet files that ingest writes.

features.py names each source once, as PostgreSQL knows it. Here a view is pointed to the same rows as files, for the
time of one retrieval; the registry never hears of it, so that all engines and the gateway share one.
"""

import copy
from collections.abc import Mapping
from typing import Any

from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.passthrough_provider import PassthroughProvider

from feature_store.settings import StoreSettings

TIMES = {"timestamp_field": "event_timestamp", "created_timestamp_column": "created_at"}

LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Java takes a gigabyte unless told otherwise, in which the join of a million users ends for lack of it
    "spark.driver.memory": "4g",
    # 200 otherwise, in each of some thirty steps of the join: a third of the time of 100,000 users
    "spark.sql.shuffle.partitions": "8",
}


class LakeProvider(PassthroughProvider):
    """What `provider:` names when the offline engine reads files."""

    def get_historical_features(
        self, config: Any, feature_views: list[FeatureView], *args: Any, **more: Any
    ) -> RetrievalJob:
        source = {"duckdb": duckdb_source, "spark": spark_source}[config.offline_store.type]
        views = [over(view, source(view.batch_source.name)) for view in feature_views]
        return super().get_historical_features(config, views, *args, **more)


def over(view: FeatureView, source: DataSource) -> FeatureView:
    pointed = copy.copy(view)
    pointed.batch_source = source
    return pointed


def duckdb_source(table: str) -> FileSource:
    return FileSource(name=table, path=StoreSettings.read().lake_files(table), file_format=ParquetFormat(), **TIMES)


def spark_source(table: str) -> SparkSource:
    folder = StoreSettings.read().lake_folder(table)
    return SparkSource(name=table, path=folder, file_format="parquet", **TIMES)


def spark_conf(master: str) -> Mapping[str, str]:
    """What the join needs of Spark to give the same values as the other engines; of Spark on this machine, more."""
    return {
        "spark.master": master,
        "spark.app.name": "streamflow",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.maxResultSize": "0",  # a training set comes to the driver whole, whatever its size
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(LOCAL if master.startswith("local") else {}),
    }
