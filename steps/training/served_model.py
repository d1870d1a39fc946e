"""What /invocations runs (logged as code, never pickled): the whole pipeline, answering with class, probability and
who answered. Must not import anything else of the project: this file is copied into the model, as are fast_path.py
and packed_forest.py."""

import contextlib
import gc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import skops.io
import yaml
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

# the only types beyond skops' own list that a churn pipeline is made of
TRUSTED_TYPES = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]
UNKNOWN_CATEGORIES = "unknown_categories"  # the option of a request, and the field of a marked row's answer
REFUSE, MARK = "refuse", "mark"
MOST_NAMED = 10  # rows in an error

Matrix = NDArray[np.float64]
Unknown = dict[int, dict[str, Any]]
"""Place of a row -> feature -> the category that the model was not trained on"""


class Answers(pd.DataFrame):
    """A DataFrame whose records cost a tenth of pandas' own: MLflow's server asks for them at every request."""

    identity: dict[str, Any] | None = None  # what every row has the same; None where that is not known
    _metadata = ["identity"]  # noqa: RUF012 - pandas' own way: not a column

    def to_dict(self, orient: Any = "dict", **more: Any) -> Any:
        if orient != "records":
            return super().to_dict(orient, **more)
        if self.identity is not None:
            both = zip(self["prediction"].tolist(), self["probability"].tolist(), strict=True)
            return [{"prediction": one, "probability": p, **self.identity} for one, p in both]
        names = list(self)
        return [dict(zip(names, row, strict=True)) for row in self.to_numpy(dtype=object).tolist()]


class ChurnModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        path, config = Path(context.artifacts["pipeline"]), context.model_config
        self.pipeline = skops.io.load(path, trusted=TRUSTED_TYPES)
        self.features = list(config["features"])
        self.categories = known_categories(self.pipeline)
        self.threshold = float(config["threshold"])
        fast, forest = (code_of(Path(context.artifacts[name])) for name in ("fast_path", "packed_forest"))
        self.fast_path = fast["FastPath"].of(self.pipeline, forest["PackedForest"])
        self.left_to_pipeline = (fast["Unsupported"], OverflowError)
        of_training = {name: config[name] for name in ("run_id", "feature_service", "calibration", "threshold")}
        self.identity = registered_as(path.parents[1]) | of_training
        gc.freeze()  # looking through all that stays for garbage would hold up requests for a tenth of a second

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row per input row: prediction (1 above the threshold, else 0), probability of churn, and the identity of
        this model: name, version, run, features, calibration ("none": the probability is a score) and threshold.

        params: {"unknown_categories": "refuse"} raises for a row with a category that the model was not trained on;
        "mark" leaves that row's prediction and probability empty and names feature and value in a further column.
        Raises MlflowException for a missing value, naming its row and feature.
        """
        del context
        marks = wants_marks(params)
        if (probability := self.at_once(model_input)) is not None:
            return self.answers(probability[:, 1])
        refuse_missing(model_input, self.features)
        unknown = unknown_in(model_input, self.categories)
        if not unknown:
            return self.answers(self.by_pipeline(model_input)[:, 1])
        if not marks:
            raise MlflowException.invalid_parameter_value(not_trained_on(unknown, self.categories))
        return self.marked(model_input, unknown)

    def at_once(self, rows: pd.DataFrame) -> Matrix | None:
        """(rows, 2): of staying and of leaving. None for what the early exit leaves to the pipeline."""
        if self.fast_path is not None:
            with contextlib.suppress(*self.left_to_pipeline):
                found: Matrix = self.fast_path.predict_proba(rows)
                return found
        return None

    def by_pipeline(self, rows: pd.DataFrame) -> Matrix:
        """The same. Raises what the pipeline raises."""
        return np.asarray(self.pipeline.predict_proba(rows[self.features]))

    def answers(self, leaving: Matrix) -> Answers:
        answer = {"prediction": (leaving > self.threshold).astype(int), "probability": leaving, **self.identity}
        found = Answers(answer, index=pd.RangeIndex(len(leaving)), copy=False)  # which takes half the time
        found.identity = self.identity
        return found

    def marked(self, rows: pd.DataFrame, unknown: Unknown) -> Answers:
        found = pd.DataFrame(self.identity, index=range(len(rows)))
        found.insert(0, "prediction", pd.Series([None] * len(rows), dtype=object))
        found.insert(1, "probability", pd.Series([None] * len(rows), dtype=object))
        known = [place for place in range(len(rows)) if place not in unknown]
        if known:
            answered = self.predict(None, rows.iloc[known])
            for name in ("prediction", "probability"):
                found.loc[known, name] = answered[name].astype(object).to_numpy()
        found[UNKNOWN_CATEGORIES] = pd.Series([unknown.get(place) for place in range(len(rows))], dtype=object)
        return Answers(found)


def wants_marks(params: Mapping[str, Any] | None) -> bool:
    asked = (params or {}).get(UNKNOWN_CATEGORIES, REFUSE)
    if asked not in (REFUSE, MARK):
        raise MlflowException.invalid_parameter_value(f"{UNKNOWN_CATEGORIES} must be {REFUSE} or {MARK}, not {asked!r}")
    return bool(asked == MARK)


def known_categories(pipeline: Pipeline) -> dict[str, list[Any]]:
    """Per text feature, the values that the encoder was fitted with; nothing of an encoder that takes any value."""
    encode = pipeline[0]
    found: dict[str, list[Any]] = {}
    for _name, transformer, columns in encode.transformers_ if type(encode) is ColumnTransformer else ():
        if type(transformer) is OneHotEncoder and transformer.handle_unknown == "error":
            found |= {name: known.tolist() for name, known in zip(columns, transformer.categories_, strict=True)}
    return found


def refuse_missing(rows: pd.DataFrame, features: list[str]) -> None:
    """Raises MlflowException for null and NaN: a forest would compute with them."""
    missing = rows[features].isna()
    if places := np.flatnonzero(missing.any(axis=1)).tolist():
        told = {place: ", ".join(missing.columns[missing.iloc[place]]) for place in places[:MOST_NAMED]}
        raise MlflowException.invalid_parameter_value(
            f"Missing values in {_listed(told, len(places))}. Every feature needs a value"
        )


def unknown_in(rows: pd.DataFrame, categories: Mapping[str, list[Any]]) -> Unknown:
    found: Unknown = {}
    for name, known in categories.items():
        values = rows[name].tolist()
        for place in np.flatnonzero(~rows[name].isin(known).to_numpy()).tolist():
            found.setdefault(place, {})[name] = values[place]
    return found


def not_trained_on(unknown: Unknown, categories: Mapping[str, list[Any]]) -> str:
    named = {name for values in unknown.values() for name in values}
    told = {
        place: ", ".join(f"{name} {value!r}" for name, value in values.items())
        for place, values in list(unknown.items())[:MOST_NAMED]
    }
    allowed = "; ".join(f"{name}: {_quoted(known)}" for name, known in categories.items() if name in named)
    return f"Categories that the model was not trained on, in {_listed(told, len(unknown))}. It knows {allowed}"


def _listed(rows: Mapping[int, str], there: int) -> str:
    more = f"; and {there - len(rows)} more rows" if there > len(rows) else ""
    return "; ".join(f"row {place + 1}: {what}" for place, what in sorted(rows.items())) + more


def _quoted(values: Iterable[Any]) -> str:
    return ", ".join(map(repr, values))


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
