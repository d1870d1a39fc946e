"""A month's users scored by a version of the model, chunk by chunk, in this process or on Spark."""

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
from steps.registry import loaded_version, seals, versions
from steps.registry.loaded_version import LoadedVersion
from steps.registry.training_sets import TrainedOn
from steps.training import dataset

SCORES = "scores.parquet"

Predict = Callable[[pd.DataFrame], pd.DataFrame]
"""From rows of features to prediction and probability"""
Store = Callable[[pa.Table], object]


@dataclass(frozen=True)
class ScoringModel:
    """A version, its features with their types, the tables that hold them, and its training users."""

    loaded: LoadedVersion
    types: dict[str, str]  # feature -> Feast's type name
    tables: dict[str, list[str]]  # snapshot table -> features
    trained_on: TrainedOn


@dataclass
class LeftOut:
    """Numbers of users without a score."""

    missing_features: int = 0
    unknown_category: int = 0  # users; one may have several such values
    values: dict[str, Counter[str]] = field(default_factory=dict)  # feature -> value outside the training

    def count_unknown(self, loaded: LoadedVersion, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """True for each row with a value outside the training; counts them."""
        unknown = loaded.unknown_categories(rows).to_numpy()
        self.unknown_category += int(unknown.sum())
        for feature, categories in loaded.trained_categories().items():
            unknown_values = rows.loc[~rows[feature].isin(categories), feature]
            if len(unknown_values):
                self.values.setdefault(feature, Counter()).update(map(str, unknown_values))
        return np.asarray(unknown, dtype=np.bool_)


@dataclass(frozen=True)
class MonthScores:
    """One entry per scored user, in the order of user_ids."""

    user_ids: pa.ChunkedArray
    probability: NDArray[np.float64]
    leaves: NDArray[np.bool_]  # by the version's own threshold
    trained_on: NDArray[np.bool_] | None  # None where the training users are unknown
    left_out: LeftOut

    @property
    def users(self) -> int:
        return len(self.probability)


@contextmanager
def features_of(version: str, trained_on: TrainedOn) -> Iterator[ScoringModel]:
    """Raises UnusableVersion."""
    loaded = loaded_version.load(version)
    with historical.applied_store() as store:
        service = loaded.feature_service
        types = dict(historical.types_of(store, service))
        snapshots = {view.name: view.snapshots for view in online_views(store)}
        tables: dict[str, list[str]] = {}
        for view, features in service_views(store, service).items():
            tables.setdefault(snapshots[view], []).extend(features)
        yield ScoringModel(loaded, types, tables, trained_on)


def score_month(
    model: ScoringModel, as_of: date, predict: Predict, store: Store, folder: Path, *, see: Store | None = None
) -> MonthScores:
    """Passes user_id, probability and prediction to `store` chunk by chunk; writes them, with trained_on, to
    scores.parquet. Leaves out users with a missing feature or with a category outside the training. see: called with
    the features of all users, chunk by chunk."""
    chunks: list[pa.Table] = []
    left_out = LeftOut()
    with progress.bar("score", warehouse.count_snapshot(engines.PROFILES, as_of)) as advance:

        def take(rows: pa.Table) -> None:
            if see:
                see(rows)
            scorable = _scorable(rows, model, left_out)
            if scorable.num_rows:
                scores = _scores(scorable, model, predict)
                store(scores)
                chunks.append(scores)
            advance(rows.num_rows)

        warehouse.read_features(model.tables, as_of, take)
    scores = pa.concat_tables(chunks) if chunks else _no_scores()
    trained_on = model.trained_on.contains(scores["user_id"])
    column = pa.nulls(scores.num_rows, pa.bool_()) if trained_on is None else pa.array(trained_on)
    pq.write_table(scores.append_column("trained_on", column), folder / SCORES, compression="zstd")
    leaves = scores["prediction"].to_numpy().astype(np.bool_)
    return MonthScores(scores["user_id"], scores["probability"].to_numpy(), leaves, trained_on, left_out)


def _no_scores() -> pa.Table:
    types = {"user_id": pa.string(), "probability": pa.float64(), "prediction": pa.int64()}
    return pa.table({name: pa.array([], kind) for name, kind in types.items()})


def _scorable(rows: pa.Table, model: ScoringModel, left_out: LeftOut) -> pa.Table:
    """The rows that the version can score; counts the others."""
    complete = rows.filter(_is_complete(rows, list(model.types)))
    left_out.missing_features += rows.num_rows - complete.num_rows
    texts = complete.select(list(model.loaded.trained_categories())).to_pandas()
    return complete.filter(pa.array(~left_out.count_unknown(model.loaded, texts)))


def _is_complete(rows: pa.Table, features: list[str]) -> pa.Array:
    complete = pa.repeat(True, rows.num_rows)
    for name in features:
        complete = pc.and_(complete, pc.is_valid(rows[name]))
    return complete


def _scores(rows: pa.Table, model: ScoringModel, predict: Predict) -> pa.Table:
    types = {name: dataset.DTYPES[kind] for name, kind in model.types.items()}
    answers = predict(rows.select(list(types)).to_pandas().astype(types))
    scores = {"probability": answers["probability"].to_numpy(), "prediction": answers["prediction"].to_numpy()}
    return pa.table({"user_id": rows["user_id"], **scores})


def local(model: ScoringModel) -> Predict:
    return model.loaded.answers


@contextmanager
def predictor(engine: str, model: ScoringModel) -> Iterator[Predict]:
    """The model in this process, or for engine spark on Spark's workers, from a copy with the sealed files.

    Raises EngineUnavailable where PySpark or Java is missing, UnusableVersion where a file was changed.
    """
    if engine == "local":
        yield local(model)
        return
    engines.require_spark()
    number = model.loaded.number
    with seals.downloaded(f"models:/{MODEL_NAME}/{number}") as folder:
        seals.require(versions.get(number), folder)
        yield spark(folder)


def spark(folder: Path) -> Predict:
    """The model of the folder on Spark's workers."""
    session = engines.spark_session(Settings.from_env().spark_master)
    answer = _udf(session, folder)

    def predict(rows: pd.DataFrame) -> pd.DataFrame:
        numbered = session.createDataFrame(rows.assign(position=range(len(rows))))
        answered = numbered.select("position", answer(*rows.columns).alias("answer"))
        answers: pd.DataFrame = answered.select("position", "answer.*").toPandas()
        return answers.sort_values("position", ignore_index=True)

    return predict


def _udf(session: Any, folder: Path) -> Any:
    import mlflow.pyfunc  # noqa: PLC0415 - only Spark needs it

    result = "struct<prediction: long, probability: double>"
    return mlflow.pyfunc.spark_udf(session, str(folder), result_type=result, env_manager="local")
