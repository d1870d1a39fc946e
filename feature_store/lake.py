"""Training sets from the lake: Feast's own DuckDB and Spark stores over the Parquet files that ingest writes.

features.py names each source once, as a table in PostgreSQL. For one retrieval, a view here reads the same rows from
files. The registry does not change, so all engines and the gateway share it.
"""

import copy
from typing import Any

from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.passthrough_provider import PassthroughProvider

from feature_store.settings import StoreSettings

TIMES = {"timestamp_field": "event_timestamp", "created_timestamp_column": "created_at"}


class LakeProvider(PassthroughProvider):
    """Feast's provider when the offline engine reads files."""

    def get_historical_features(
        self, config: Any, feature_views: list[FeatureView], *args: Any, **more: Any
    ) -> RetrievalJob:
        source = {"duckdb": duckdb_source, "spark": spark_source}[config.offline_store.type]
        views = [_with_source(view, source(view.batch_source.name)) for view in feature_views]
        return super().get_historical_features(config, views, *args, **more)


def _with_source(view: FeatureView, source: DataSource) -> FeatureView:
    copied = copy.copy(view)
    copied.batch_source = source
    return copied


def duckdb_source(table: str) -> FileSource:
    return FileSource(name=table, path=StoreSettings.read().lake_files(table), file_format=ParquetFormat(), **TIMES)


def spark_source(table: str) -> SparkSource:
    folder = StoreSettings.read().lake_folder(table)
    return SparkSource(name=table, path=folder, file_format="parquet", **TIMES)
