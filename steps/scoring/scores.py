"""A month's users through a version of the model, some ten thousand at a time, here or on Spark."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from feature_store.online_views import online_views
from feature_store.store import service_views
from steps import warehouse
from steps.cli import progress
from steps.cli.settings import MODEL_NAME, Settings
from steps.features import engines, historical
from steps.registry import categories, versions
from steps.registry.trained_on import TrainedOn
from steps.registry.versions import Opened
from steps.training import dataset

SCORES = "scores.parquet"

Predict = Callable[[pd.DataFrame], pd.DataFrame]
"""From rows of features to prediction and probability"""
Store = Callable[[pa.Table], object]


@dataclass(frozen=True)
class Model:
    """A version, the features it takes with their types, the tables they are in, and whom it was trained on."""

    opened: Opened
    types: dict[str, str]
    tables: dict[str, list[str]]
    trained_on: TrainedOn


@dataclass
class LeftOut:
    """Users who got no score."""

    missing_features: int = 0
    unknown_category: int = 0  # users; one may have several such values
    values: dict[str, Counter[str]] = field(default_factory=dict)  # feature -> value that the version does not know

    def count_unknown(self, opened: Opened, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows have a value that the version does not know."""
        unknown = categories.unknown_categories(opened, rows).to_numpy()
        self.unknown_category += int(unknown.sum())
        for feature, known in categories.known_categories(opened).items():
            strange = rows.loc[~rows[feature].isin(known), feature]
            if len(strange):
                self.values.setdefault(feature, Counter()).update(map(str, strange))
        return np.asarray(unknown, dtype=np.bool_)


@dataclass(frozen=True)
class Scored:
    user_ids: pa.ChunkedArray
    probability: NDArray[np.float64]
    leaves: NDArray[np.bool_]  # by the version's own threshold
    trained_on: NDArray[np.bool_] | None  # None where it is unknown whom the version was trained on
    left_out: LeftOut

    @property
    def users(self) -> int:
        return len(self.probability)


@contextmanager
def features_of(version: str, trained_on: TrainedOn) -> Iterator[Model]:
    """Raises UnusableVersion."""
    opened = versions.open_version(version)
    with historical.applied_store() as store:
        service = opened.feature_service
        types = dict(historical.types_of(store, service))
        snapshots = {view.name: view.snapshots for view in online_views(store)}
        tables: dict[str, list[str]] = {}
        for view, features in service_views(store, service).items():
            tables.setdefault(snapshots[view], []).extend(features)
        yield Model(opened, types, tables, trained_on)


def score_month(model: Model, as_of: date, predict: Predict, store: Store, folder: Path) -> Scored:
    """Hands over user_id, probability and prediction chunk by chunk, and writes them, with trained_on, to
    scores.parquet. Users with a missing feature, or with a category that the version does not know, are left out."""
    found: list[pa.Table] = []
    left_out = LeftOut()
    with progress.bar("score", warehouse.count_snapshot(engines.PROFILES, as_of)) as advance:

        def take(rows: pa.Table) -> None:
            known = _known(rows, model, left_out)
            if known.num_rows:
                scores = _scores(known, model, predict)
                store(scores)
                found.append(scores)
            advance(rows.num_rows)

        warehouse.read_features(model.tables, as_of, take)
    scores = pa.concat_tables(found) if found else _no_scores()
    among = model.trained_on.among(scores["user_id"])
    column = pa.nulls(scores.num_rows, pa.bool_()) if among is None else pa.array(among)
    pq.write_table(scores.append_column("trained_on", column), folder / SCORES, compression="zstd")
    leaves = scores["prediction"].to_numpy().astype(np.bool_)
    return Scored(scores["user_id"], scores["probability"].to_numpy(), leaves, among, left_out)


def _no_scores() -> pa.Table:
    types = {"user_id": pa.string(), "probability": pa.float64(), "prediction": pa.int64()}
    return pa.table({name: pa.array([], kind) for name, kind in types.items()})


def _known(rows: pa.Table, model: Model, left_out: LeftOut) -> pa.Table:
    """The rows that the version can score; the others are counted."""
    complete = rows.filter(_all_there(rows, list(model.types)))
    left_out.missing_features += rows.num_rows - complete.num_rows
    texts = complete.select(list(categories.known_categories(model.opened))).to_pandas()
    return complete.filter(pa.array(~left_out.count_unknown(model.opened, texts)))


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
