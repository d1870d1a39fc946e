"""A fitted churn pipeline's arithmetic without scikit-learn's checks, which take longer; equal to the last bit.
Must not import other files of the project: this file is copied into the model.
"""

import contextlib
import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import validate_data

FEW_ROWS = 256  # see docs/decisions/0030
CALIBRATIONS = ("sigmoid", "isotonic")

Matrix = NDArray[np.float64]
Columns = Mapping[Hashable, Sequence[Any] | NDArray[Any]]
Fill = Callable[[Columns, Matrix], None]
Score = Callable[[Matrix], Matrix]


class Unsupported(Exception):
    """A value, type or estimator that only the pipeline itself can process."""


class FastPath:
    """The pipeline's arithmetic: from columns to one matrix, from the matrix to probabilities."""

    def __init__(self, pipeline: Pipeline, packed_forest: Any) -> None:
        encode, classify = pipeline["encode"], pipeline["classify"]
        self._fills = _fills(encode)
        self._score = _score(classify, packed_forest)
        self._width = classify.n_features_in_

    @classmethod
    def of(cls, pipeline: Pipeline, packed_forest: Any) -> "FastPath | None":
        """None for an unsupported pipeline or one too large to pack: then the pipeline itself is used."""
        with contextlib.suppress(Unsupported, KeyError, OverflowError):
            return cls(pipeline, packed_forest)
        return None

    def predict_proba(self, rows: pd.DataFrame) -> Matrix:
        """(rows, 2), each row equal to the pipeline's for that row alone. Raises Unsupported for an unknown category or
        an invalid number, and OverflowError for a number too large for a forest."""
        return self._score(self.matrix(rows))

    def matrix(self, rows: pd.DataFrame) -> Matrix:  # raises Unsupported
        matrix, columns = np.zeros((len(rows), self._width)), _columns(rows)
        for fill in self._fills:
            fill(columns, matrix)
        return matrix


def row_by_row(fitted: Any) -> Any:
    """A copy of a pipeline or classifier that gives each row of a batch the bits that scikit-learn gives it alone. Only
    a linear model needs it: BLAS sums a matrix product in another order for another number of rows."""
    copied = copy.copy(fitted)
    if isinstance(fitted, Pipeline):
        copied.steps = [(name, row_by_row(step)) for name, step in fitted.steps]
    elif isinstance(fitted, CalibratedClassifierCV):
        copied.calibrated_classifiers_ = [copy.copy(inner) for inner in fitted.calibrated_classifiers_]
        for inner in copied.calibrated_classifiers_:
            inner.estimator = row_by_row(inner.estimator)
    elif isinstance(fitted, LogisticRegression):
        copied.decision_function = _decision_row_by_row(fitted)
    return copied


def _decision_row_by_row(linear: LogisticRegression) -> Callable[[Any], Matrix]:
    def decision_function(matrix: Any) -> Matrix:
        # (1, features) each: the product of a single row. Not in C's order, BLAS would sum a row's numbers differently
        stack = validate_data(linear, matrix, reset=False, order="C")[:, None, :]
        return np.asarray((stack @ linear.coef_.T)[:, 0, 0] + linear.intercept_)

    return decision_function


def _columns(rows: pd.DataFrame) -> Columns:
    """With few rows, converting all values takes less time than reading each column."""
    if len(rows) > FEW_ROWS:
        return {name: rows[name].to_numpy() for name in rows}
    return dict(zip(rows, rows.to_numpy(dtype=object).T.tolist(), strict=True))


def _fills(encode: Any) -> list[Fill]:
    """The functions that write the matrix's columns, in the order of the ColumnTransformer's output."""
    if type(encode) is not ColumnTransformer:
        raise Unsupported
    fills: list[Fill] = []
    for name, transformer, chosen in encode.transformers_:
        target = encode.output_indices_[name]
        if target.start == target.stop:
            continue
        # without any column chosen by name, the remainder has positions instead of names
        columns = [encode.feature_names_in_[column] if isinstance(column, int) else column for column in chosen]
        if type(transformer) is OneHotEncoder:
            fills += _one_hot(transformer, columns, target)
        else:
            fills.append(_numbers(columns, transformer, target))
    return fills


def _one_hot(encoder: OneHotEncoder, columns: list[str], target: slice) -> list[Fill]:
    if encoder.handle_unknown != "error" or encoder.drop or encoder.min_frequency or encoder.max_categories:
        raise Unsupported
    fills: list[Fill] = []
    start = target.start
    for column, categories in zip(columns, encoder.categories_, strict=True):
        fills.append(_ones(column, {value: start + nth for nth, value in enumerate(categories.tolist())}))
        start += len(categories)
    return fills


def _ones(column: str, target_of: dict[Any, int]) -> Fill:
    def fill(rows: Columns, matrix: Matrix) -> None:
        targets = [target_of.get(value, -1) for value in rows[column]]
        if min(targets, default=0) < 0:
            raise Unsupported
        matrix[np.arange(len(targets)), targets] = 1.0

    return fill


def _numbers(columns: list[str], transformer: Any, target: slice) -> Fill:
    scales = type(transformer) is StandardScaler and transformer.mean_ is not None and transformer.scale_ is not None
    if not scales and (type(transformer) is not FunctionTransformer or transformer.func is not None):  # "passthrough"
        raise Unsupported

    def fill(rows: Columns, matrix: Matrix) -> None:
        for nth, column in enumerate(columns, target.start):
            values = np.asarray(rows[column])
            if values.dtype.kind not in "bif":
                raise Unsupported
            matrix[:, nth] = values
        if not np.isfinite(matrix[:, target]).all():
            raise Unsupported
        if scales:
            matrix[:, target] = (matrix[:, target] - transformer.mean_) / transformer.scale_

    return fill


def _score(classify: Any, packed_forest: Any) -> Score:
    if type(classify) is CalibratedClassifierCV:
        return _calibrated_score(classify, packed_forest)
    if type(classify) in (HistGradientBoostingClassifier, LogisticRegression):
        classifier = row_by_row(classify)
        return lambda matrix: np.asarray(classifier.predict_proba(matrix))
    if type(classify) is not RandomForestClassifier:
        raise Unsupported
    mean: Score = packed_forest([tree.tree_ for tree in classify.estimators_], classify.n_features_in_).mean
    return mean


def _calibrated_score(classify: CalibratedClassifierCV, packed_forest: Any) -> Score:
    """The classifier's own score, through its single calibrator."""
    inner = _uncalibrated(classify)
    calibrate = _calibrate(classify.calibrated_classifiers_[0].calibrators[0], classify.method)
    if hasattr(inner, "decision_function"):
        leaving = row_by_row(inner).decision_function
    else:
        votes = _score(inner, packed_forest)

        def leaving(matrix: Matrix) -> Matrix:
            return votes(matrix)[:, 1]

    def score(matrix: Matrix) -> Matrix:
        probability = np.empty((len(matrix), 2))
        probability[:, 1] = calibrate(leaving(matrix))
        if probability[:, 1].max(initial=0.0) > 1.0:  # scikit-learn rounds these
            raise Unsupported
        probability[:, 0] = 1.0 - probability[:, 1]
        return probability

    return score


def _calibrate(calibrator: Any, method: str) -> Callable[[Matrix], Matrix]:
    if method == "isotonic":
        return lambda score: np.asarray(calibrator.predict(score))
    slope, shift = calibrator.a_, calibrator.b_
    return lambda score: np.asarray(expit(-(slope * score + shift)))


def _uncalibrated(classify: CalibratedClassifierCV) -> Any:
    supported = (HistGradientBoostingClassifier, LogisticRegression, RandomForestClassifier)
    [inner, *further] = (fitted.estimator for fitted in classify.calibrated_classifiers_)
    if further or classify.method not in CALIBRATIONS or type(inner) not in supported:
        raise Unsupported
    return inner
