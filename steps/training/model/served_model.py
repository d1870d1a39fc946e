"""The model behind /invocations, logged as code, never pickled: the whole pipeline; answers have class, probability and
the model's identity, and on request reasons. Must not import other files of the project: this file is copied into the
model, as are the files that are its artifacts."""

import contextlib
import gc
from collections.abc import Mapping
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

# the only types beyond skops' own list that a churn pipeline is made of
TRUSTED_TYPES = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]
UNKNOWN_CATEGORIES = "unknown_categories"  # the option of a request, and the field of a marked row's answer
REFUSE, MARK = "refuse", "mark"
EXPLAIN = "explain"  # the option of a request: the number of features in each row's reasons
REASONS = "reasons"

Matrix = NDArray[np.float64]
Unknown = dict[int, dict[str, Any]]
"""Position of a row -> feature -> category that the model was not trained on"""


class Answers(pd.DataFrame):
    """A DataFrame whose to_dict("records") takes a tenth of pandas' time: MLflow's server calls it at each request."""

    identity: dict[str, Any] | None = None  # the columns with one value for all rows; None if they differ
    _metadata = ["identity"]  # noqa: RUF012 - pandas' convention for attributes that are not columns

    def to_dict(self, orient: Any = "dict", **more: Any) -> Any:
        if orient != "records":
            return super().to_dict(orient, **more)
        if self.identity is not None:
            pairs = zip(self["prediction"].tolist(), self["probability"].tolist(), strict=True)
            records = [{"prediction": label, "probability": p, **self.identity} for label, p in pairs]
            for record, reasons in zip(records, self[REASONS].tolist() if REASONS in self else (), strict=False):
                record[REASONS] = reasons
            return records
        names = list(self)
        return [dict(zip(names, row, strict=True)) for row in self.to_numpy(dtype=object).tolist()]


class ChurnModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        path, config = Path(context.artifacts["pipeline"]), context.model_config
        pipeline = skops.io.load(path, trusted=TRUSTED_TYPES)
        self.features = list(config["features"])
        self.threshold = float(config["threshold"])
        code = {name: run_code(Path(file)) for name, file in context.artifacts.items() if file.endswith(".py")}
        self.checks, fast, forest = code["row_checks"], code["fast_path"], code["packed_forest"]
        self.categories = self.checks["trained_categories"](pipeline)
        self.pipeline = fast["row_by_row"](pipeline)
        self.fast_path = fast["FastPath"].of(pipeline, forest["PackedForest"])
        self.unsupported = (fast["Unsupported"], OverflowError)
        training_facts = {name: config[name] for name in ("run_id", "feature_service", "calibration", "threshold")}
        self.identity = registered_as(path.parents[1]) | training_facts
        self.reasons: Any = None
        with contextlib.suppress(ValueError, OverflowError):  # a pipeline without reasons answers all the same
            means = config.get("column_means")
            self.reasons = code["reasons"]["Reasons"](pipeline, code["leaf_paths"], code["tree_shap"], means)
        gc.freeze()  # scanning the model for garbage would delay requests by a tenth of a second

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row per input row: prediction (1 above the threshold, else 0), probability of churn, and the identity of
        this model: name, version, run, features, calibration ("none": the probability is a score) and threshold.
        A row's answer does not depend on the other rows.

        params: {"unknown_categories": "refuse"} raises for a row with a category that the model was not trained on;
        "mark" leaves that row's prediction and probability empty, with feature and value in a further column.
        {"explain": 5} adds the column reasons, with the five features that moved the row's score most; it is empty for
        a marked row, and for a model that cannot explain its answers.
        Raises MlflowException, with row and feature, for a missing value.
        """
        del context
        marks, explained = has_mark_option(params), explained_features(params, len(self.features))
        return self.scored(model_input, explained, marks=marks)

    def scored(self, rows: pd.DataFrame, explained: int, *, marks: bool) -> Answers:
        if (probability := self.by_fast_path(rows)) is not None:
            return self.answers(probability[:, 1], self.strongest(rows, explained))
        self.checks["refuse_missing"](rows, self.features)
        unknown = self.checks["unknown_in"](rows, self.categories)
        if not unknown:
            return self.answers(self.by_pipeline(rows)[:, 1], self.strongest(rows, explained))
        if not marks:
            raise MlflowException.invalid_parameter_value(self.checks["not_trained_on"](unknown, self.categories))
        return self.marked(rows, unknown, explained)

    def by_fast_path(self, rows: pd.DataFrame) -> Matrix | None:
        """Probabilities (rows, 2) of staying and of leaving; None for rows or a pipeline that the fast path does not
        support."""
        if self.fast_path is not None:
            with contextlib.suppress(*self.unsupported):
                probability: Matrix = self.fast_path.predict_proba(rows)
                return probability
        return None

    def by_pipeline(self, rows: pd.DataFrame) -> Matrix:
        """The same from the pipeline. Raises the pipeline's errors."""
        return np.asarray(self.pipeline.predict_proba(rows[self.features]))

    def answers(self, leaving: Matrix, reasons: Mapping[str, NDArray[Any]]) -> Answers:
        """reasons: the column, if any. A column that is added later takes longer than the whole table."""
        prediction = (leaving > self.threshold).astype(int)
        answer = {"prediction": prediction, "probability": leaving, **self.identity, **reasons}
        answers = Answers(answer, index=pd.RangeIndex(len(leaving)), copy=False)  # copy=False takes half the time
        answers.identity = self.identity
        return answers

    def strongest(self, rows: pd.DataFrame, explained: int) -> dict[str, NDArray[Any]]:
        """The column of reasons, empty for a model that has none; no column where none was asked for."""
        if not explained:
            return {}
        reasons = np.full(len(rows), None)
        if self.reasons is not None and len(rows):
            values = dict(zip(rows, rows.to_numpy(dtype=object).T.tolist(), strict=True))
            reasons[:] = self.reasons.strongest(self.contributions(rows), values, explained)
        return {REASONS: reasons}

    def contributions(self, rows: pd.DataFrame) -> Matrix:
        """(rows, features): what each feature adds to the mean score. The rows must have no missing values, and no
        categories that the model was not trained on. The model must have reasons."""
        return np.asarray(self.reasons.contributions(self.encoded(rows)))

    def encoded(self, rows: pd.DataFrame) -> Matrix:
        """The matrix that the classifier gets."""
        if self.fast_path is not None:
            with contextlib.suppress(*self.unsupported):
                matrix: Matrix = self.fast_path.matrix(rows)
                return matrix
        return np.asarray(self.pipeline["encode"].transform(rows[self.features]), dtype=np.float64)

    def marked(self, rows: pd.DataFrame, unknown: Unknown, explained: int) -> Answers:
        answers = pd.DataFrame(self.identity, index=range(len(rows)))
        answers.insert(0, "prediction", pd.Series([None] * len(rows), dtype=object))
        answers.insert(1, "probability", pd.Series([None] * len(rows), dtype=object))
        answers[UNKNOWN_CATEGORIES] = pd.Series([unknown.get(row) for row in range(len(rows))], dtype=object)
        if explained:
            answers[REASONS] = pd.Series([None] * len(rows), dtype=object)
        valid = [row for row in range(len(rows)) if row not in unknown]
        if valid:
            scored = self.scored(rows.iloc[valid], explained, marks=False)
            for name in ("prediction", "probability", *([REASONS] if explained else [])):
                answers.loc[valid, name] = scored[name].astype(object).to_numpy()
        return Answers(answers)


def has_mark_option(params: Mapping[str, Any] | None) -> bool:
    option = (params or {}).get(UNKNOWN_CATEGORIES, REFUSE)
    if option not in (REFUSE, MARK):
        message = f"{UNKNOWN_CATEGORIES} must be {REFUSE} or {MARK}, not {option!r}"
        raise MlflowException.invalid_parameter_value(message)
    return bool(option == MARK)


def explained_features(params: Mapping[str, Any] | None, features: int) -> int:
    number = int((params or {}).get(EXPLAIN, 0))
    if not 0 <= number <= features:
        raise MlflowException.invalid_parameter_value(f"{EXPLAIN} must be from 0 to {features}, not {number}")
    return number


def run_code(path: Path) -> dict[str, Any]:
    """The names that a Python file defines. An import would mix up the files of two versions: they have equal names."""
    defined: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_bytes(), str(path), "exec"), defined)  # noqa: S102 - as MLflow does with this file
    return defined


def registered_as(folder: Path) -> dict[str, str | None]:
    """Model name and version, from the file that MLflow writes into a registered model; None for a run's own model."""
    meta = folder / "registered_model_meta"
    registered = yaml.safe_load(meta.read_text()) if meta.is_file() else {}
    version = registered.get("model_version")
    return {"model_name": registered.get("model_name"), "model_version": None if version is None else str(version)}


mlflow.models.set_model(ChurnModel())
