"""What /invocations runs (logged as code, never pickled): the whole pipeline, answering with class, probability and
who answered. Must not import anything else of the project: this file is copied into the model, as is packed_forest.py.

scikit-learn's checks cost more than its arithmetic, so EarlyExit does the arithmetic, to the last bit the same."""

import contextlib
import gc
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import skops.io
import yaml
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

# the only types beyond skops' own list that a churn pipeline is made of
TRUSTED_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree"]
FEW_ROWS = 256  # see docs/decisions/0030

Matrix = NDArray[np.float64]
Columns = Mapping[Hashable, Sequence[Any] | NDArray[Any]]
Fill = Callable[[Columns, Matrix], None]
Score = Callable[[Matrix], Matrix]


class Answers(pd.DataFrame):
    """A DataFrame whose records cost a tenth of pandas' own: MLflow's server asks for them at every request."""

    def to_dict(self, orient: Any = "dict", **more: Any) -> Any:
        if orient != "records":
            return super().to_dict(orient, **more)
        names = list(self)
        return [dict(zip(names, row, strict=True)) for row in self.to_numpy(dtype=object).tolist()]


class ChurnModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        path = Path(context.artifacts["pipeline"])
        self.pipeline = skops.io.load(path, trusted=TRUSTED_TYPES)
        self.features = list(context.model_config["features"])
        brought = code_of(Path(context.artifacts["packed_forest"]))
        self.early_exit = EarlyExit.of(self.pipeline, brought["PackedForest"])
        of_training = {name: context.model_config[name] for name in ("run_id", "feature_service")}
        self.identity = registered_as(path.parents[1]) | of_training
        gc.freeze()  # looking through all that stays for garbage would hold up requests for a tenth of a second

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row per input row: prediction (0 or 1), probability of churn, and the identity of this model."""
        del context, params
        probability = self.probabilities(model_input)
        answer = {"prediction": probability.argmax(axis=1), "probability": probability[:, 1], **self.identity}
        return Answers(answer, index=range(len(model_input)))

    def probabilities(self, rows: pd.DataFrame) -> Matrix:
        """(rows, 2): of staying and of leaving. Raises what the pipeline raises."""
        # the pipeline knows what to do with a value that is not ordinary, or says what is wrong with it
        with contextlib.suppress(NotOrdinary, OverflowError):
            if self.early_exit is not None:
                return self.early_exit.predict_proba(rows)
        return np.asarray(self.pipeline.predict_proba(rows[self.features]))


class NotOrdinary(Exception):
    """Something that the early exit leaves to the pipeline: a value, a type, a kind of estimator."""


class EarlyExit:
    """The pipeline's arithmetic: columns into one matrix, the matrix into probabilities."""

    def __init__(self, pipeline: Pipeline, packed_forest: Any) -> None:
        encode, classify = pipeline["encode"], pipeline["classify"]
        self._fills = _fills(encode)
        self._score = _score(classify, packed_forest)
        if type(classify) is LogisticRegression and not _lies_in_rows(encode):
            raise NotOrdinary
        self._width = classify.n_features_in_

    @classmethod
    def of(cls, pipeline: Pipeline, packed_forest: Any) -> "EarlyExit | None":
        """None for a pipeline of another make, or too large to pack, which then answers by itself."""
        with contextlib.suppress(NotOrdinary, KeyError, OverflowError):
            return cls(pipeline, packed_forest)
        return None

    def predict_proba(self, rows: pd.DataFrame) -> Matrix:
        """Equal to the pipeline's. Raises NotOrdinary for a category or number it would not just compute with, and
        OverflowError for a number that is too large for a forest."""
        matrix, columns = np.zeros((len(rows), self._width)), _columns(rows)
        for fill in self._fills:
            fill(columns, matrix)
        return self._score(matrix)


def _columns(rows: pd.DataFrame) -> Columns:
    """To ask a DataFrame for a column takes longer than to make objects of a few values."""
    if len(rows) > FEW_ROWS:
        return {name: rows[name].to_numpy() for name in rows}
    return dict(zip(rows, rows.to_numpy(dtype=object).T.tolist(), strict=True))


def _fills(encode: Any) -> list[Fill]:
    """What writes each column of the matrix, in the order of the ColumnTransformer's own output."""
    if type(encode) is not ColumnTransformer:
        raise NotOrdinary
    fills: list[Fill] = []
    for name, transformer, chosen in encode.transformers_:
        place = encode.output_indices_[name]
        if place.start == place.stop:
            continue
        # the remainder has places instead of names where no column was chosen by its name
        columns = [encode.feature_names_in_[column] if isinstance(column, int) else column for column in chosen]
        if type(transformer) is OneHotEncoder:
            fills += _one_hot(transformer, columns, place)
        else:
            fills.append(_numbers(columns, transformer, place))
    return fills


def _lies_in_rows(encode: ColumnTransformer) -> bool:
    """Whether the encoder's own matrix has each row in one piece. The last bit of a sum of products depends on it, and
    numbers alone, coming from a DataFrame, have each column in one piece."""
    places = [encode.output_indices_[name] for name, kind, _ in encode.transformers_ if type(kind) is OneHotEncoder]
    return any(place.stop - place.start > 1 for place in places)


def _one_hot(encoder: OneHotEncoder, columns: list[str], place: slice) -> list[Fill]:
    if encoder.handle_unknown != "error" or encoder.drop or encoder.min_frequency or encoder.max_categories:
        raise NotOrdinary
    fills: list[Fill] = []
    start = place.start
    for column, categories in zip(columns, encoder.categories_, strict=True):
        fills.append(_marks(column, {value: start + nth for nth, value in enumerate(categories.tolist())}))
        start += len(categories)
    return fills


def _marks(column: str, places: dict[Any, int]) -> Fill:
    def fill(rows: Columns, matrix: Matrix) -> None:
        found = [places.get(value, -1) for value in rows[column]]
        if min(found, default=0) < 0:
            raise NotOrdinary
        matrix[np.arange(len(found)), found] = 1.0

    return fill


def _numbers(columns: list[str], transformer: Any, place: slice) -> Fill:
    scales = type(transformer) is StandardScaler and transformer.mean_ is not None and transformer.scale_ is not None
    if not scales and (type(transformer) is not FunctionTransformer or transformer.func is not None):  # "passthrough"
        raise NotOrdinary

    def fill(rows: Columns, matrix: Matrix) -> None:
        for nth, column in enumerate(columns, place.start):
            values = np.asarray(rows[column])
            if values.dtype.kind not in "bif":
                raise NotOrdinary
            matrix[:, nth] = values
        if not np.isfinite(matrix[:, place]).all():
            raise NotOrdinary
        if scales:
            matrix[:, place] = (matrix[:, place] - transformer.mean_) / transformer.scale_

    return fill


def _score(classify: Any, packed_forest: Any) -> Score:
    if type(classify) in (HistGradientBoostingClassifier, LogisticRegression):
        return lambda matrix: np.asarray(classify.predict_proba(matrix))
    if type(classify) is not RandomForestClassifier:
        raise NotOrdinary
    mean: Score = packed_forest([tree.tree_ for tree in classify.estimators_], classify.n_features_in_).mean
    return mean


def code_of(path: Path) -> dict[str, Any]:
    """What a file of Python defines. Imported by its name, one version's would be found where another's is meant."""
    defined: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_bytes(), str(path), "exec"), defined)  # noqa: S102 - as MLflow does with this file
    return defined


def registered_as(folder: Path) -> dict[str, str | None]:
    """MLflow writes name and version beside a model it fetched from the registry; a run's own model has neither."""
    meta = folder / "registered_model_meta"
    known = yaml.safe_load(meta.read_text()) if meta.is_file() else {}
    version = known.get("model_version")
    return {"model_name": known.get("model_name"), "model_version": None if version is None else str(version)}


mlflow.models.set_model(ChurnModel())
