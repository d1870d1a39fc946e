"""A month's users through a version of the model, some ten thousand at a time, here or on Spark."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from feature_repo import online_views, service_views
from steps import dataset, engines, point_in_time, progress, versions, warehouse
from steps.settings import MODEL_NAME, Settings
from steps.versions import Opened

SCORES = "scores.parquet"

Predict = Callable[[pd.DataFrame], pd.DataFrame]
"""From rows of features to prediction and probability"""
Store = Callable[[pa.Table], object]


@dataclass(frozen=True)
class Model:
    """A version, the features it takes with their types, and the tables they are in."""

    opened: Opened
    types: dict[str, str]
    tables: dict[str, list[str]]


@dataclass(frozen=True)
class Scored:
    user_ids: pa.ChunkedArray
    probability: NDArray[np.float64]
    predicted_to_leave: int
    users_missing_features: int

    @property
    def users(self) -> int:
        return len(self.probability)


@contextmanager
def features_of(version: str) -> Iterator[Model]:
    """Raises UnusableVersion."""
    opened = versions.open_version(version)
    with point_in_time.applied_store() as store:
        service = opened.feature_service
        types = dict(point_in_time.types_of(store, service))
        snapshots = {view.name: view.snapshots for view in online_views(store)}
        tables: dict[str, list[str]] = {}
        for view, features in service_views(store, service).items():
            tables.setdefault(snapshots[view], []).extend(features)
        yield Model(opened, types, tables)


def score_month(model: Model, as_of: date, predict: Predict, store: Store, folder: Path) -> Scored:
    """Hands over user_id, probability and prediction chunk by chunk, and writes them to scores.parquet."""
    found: list[pa.Table] = []
    missing = 0
    with progress.bar("score", warehouse.count_snapshot(engines.PROFILES, as_of)) as advance:

        def take(rows: pa.Table) -> None:
            nonlocal missing
            complete = rows.filter(_all_there(rows, list(model.types)))
            missing += rows.num_rows - complete.num_rows
            if complete.num_rows:
                scores = _scores(complete, model, predict)
                store(scores)
                found.append(scores)
            advance(rows.num_rows)

        warehouse.read_features(model.tables, as_of, take)
    scores = pa.concat_tables(found) if found else _no_scores()
    pq.write_table(scores, folder / SCORES, compression="zstd")
    leaving = pc.sum(scores["prediction"]).as_py() or 0
    return Scored(scores["user_id"], scores["probability"].to_numpy(), int(leaving), missing)


def _no_scores() -> pa.Table:
    return pa.table({"user_id": pa.array([], pa.string()), "probability": pa.array([], pa.float64()), "prediction": []})


def _all_there(rows: pa.Table, features: list[str]) -> pa.Array:
    there = pa.repeat(True, rows.num_rows)
    for name in features:
        there = pc.and_(there, pc.is_valid(rows[name]))
    return there


def _scores(rows: pa.Table, model: Model, predict: Predict) -> pa.Table:
    types = {name: dataset.DTYPES[kind] for name, kind in model.types.items()}
    said = predict(rows.select(list(types)).to_pandas().astype(types))
    scores = {"probability": said["probability"].to_numpy(), "prediction": said["prediction"].to_numpy()}
    return pa.table({"user_id": rows["user_id"], **scores})


def local(model: Model) -> Predict:
    return model.opened.answers


def spark(version: str) -> Predict:
    """The same model on Spark's workers. Raises EngineUnavailable where PySpark or Java is missing."""
    engines.require_spark()
    session = engines.spark_session(Settings.from_env().spark_master)
    answers = _udf(session, version)

    def predict(rows: pd.DataFrame) -> pd.DataFrame:
        numbered = session.createDataFrame(rows.assign(place=range(len(rows))))
        answered = numbered.select("place", answers(*rows.columns).alias("said")).select("place", "said.*")
        said: pd.DataFrame = answered.toPandas()
        return said.sort_values("place", ignore_index=True)

    return predict


def _udf(session: Any, version: str) -> Any:
    import mlflow.pyfunc  # noqa: PLC0415 - with Spark alone

    result = "struct<prediction: long, probability: double>"
    return mlflow.pyfunc.spark_udf(session, f"models:/{MODEL_NAME}/{version}", result_type=result, env_manager="local")
