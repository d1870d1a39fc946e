"""The scikit-learn pipelines: raw features in, churn probability out. Pure; every random state is fixed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from steps.cli.settings import LABEL, RANDOM_STATE
from steps.training.fast_path import FastPath
from steps.training.packed_forest import PackedForest
from steps.training.split import FOLDS, Places

Probabilities = NDArray[np.float64]

Calibration = Literal["sigmoid", "isotonic", "none"]
CALIBRATIONS: tuple[Calibration, ...] = ("sigmoid", "isotonic", "none")


@dataclass(frozen=True)
class Hyperparameters:
    """scikit-learn's own names; each model takes the ones it knows."""

    n_estimators: int
    max_iter: int
    max_leaf_nodes: int
    learning_rate: float
    C: float

    def of(self, model: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in KNOWN[model]}


KNOWN: Mapping[str, tuple[str, ...]] = {
    "random_forest": ("n_estimators",),
    "hist_gradient_boosting": ("max_iter", "max_leaf_nodes", "learning_rate"),
    "logistic_regression": ("C",),
}
TITLES = {
    "random_forest": "baseline RF",
    "hist_gradient_boosting": "gradient boosting",
    "logistic_regression": "logistic regression",
}
RUN_NAMES = {"random_forest": "rf_baseline", "hist_gradient_boosting": "hgb", "logistic_regression": "logreg"}


def fixed_settings(model: str) -> dict[str, Any]:
    """What is not for tuning, and is logged all the same."""
    weighted = {"class_weight": "balanced", "random_state": RANDOM_STATE}
    return {**weighted, "max_features": "sqrt"} if model == "random_forest" else weighted


def classifier(model: str, hyperparameters: Hyperparameters) -> BaseEstimator:
    chosen = {**hyperparameters.of(model), **fixed_settings(model)}
    if model == "random_forest":
        return RandomForestClassifier(**chosen)
    if model == "hist_gradient_boosting":
        return HistGradientBoostingClassifier(early_stopping=False, **chosen)
    return LogisticRegression(max_iter=1000, **chosen)


def pipeline(model: str, hyperparameters: Hyperparameters, categories: Mapping[str, Sequence[str]]) -> Pipeline:
    """One-hot on the text columns, the rest passed through (scaled for the linear model).

    categories: per text column, the values there are. Any other value is an error, not a row of zeros.
    """
    one_hot = OneHotEncoder(categories=[list(values) for values in categories.values()], sparse_output=False)
    rest = StandardScaler() if model == "logistic_regression" else "passthrough"
    encode = ColumnTransformer([("one_hot", one_hot, list(categories))], remainder=rest)
    return Pipeline([("encode", encode), ("classify", classifier(model, hyperparameters))])


def calibrated(unfitted: Pipeline, calibration: Calibration, folds: Sequence[tuple[Places, Places]]) -> Pipeline:
    """A pipeline whose probabilities are calibrated on its classifier's answers to the folds' held-out rows. The
    classifier itself learns from all rows, as without calibration. With "none", the pipeline as it is.

    folds: of the rows that it will be fitted to, as pairs of positions, (training rows, held-out rows).
    """
    if calibration == "none":
        return unfitted
    wrapped = CalibratedClassifierCV(unfitted["classify"], method=calibration, ensemble=False, cv=list(folds))
    return Pipeline([("encode", unfitted["encode"]), ("classify", wrapped)])


def uncalibrated(fitted: Pipeline) -> Pipeline:
    """The fitted pipeline with its classifier's own scores and class rule."""
    classify = fitted["classify"]
    if isinstance(classify, CalibratedClassifierCV):
        classify = classify.calibrated_classifiers_[0].estimator
    return Pipeline([("encode", fitted["encode"]), ("classify", classify)])


def fit(unfitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Pipeline:
    """A fitted copy that predicts the same, bit for bit.

    Trees are grown side by side, and so are the folds, each in one thread; but a forest's votes are added up one after
    the other: threads would add them in another order each time, and the last bit would change. Boosting is held to
    one thread for the same end.
    """
    with threadpool_limits(limits=1), parallel_config(backend="threading", n_jobs=-1):
        fitted = clone(unfitted).fit(rows[list(features)], rows[LABEL].astype(int))
    if isinstance(fitted["classify"], CalibratedClassifierCV):
        fitted.set_params(classify__cv=FOLDS)  # their number; thousands of row numbers are not for every model file
    return fitted


def churn_probability(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Probabilities:
    with threadpool_limits(limits=1):
        return np.asarray(fitted.predict_proba(rows[list(features)])[:, 1])


def answering_at_once(fitted: Pipeline, features: Sequence[str]) -> Callable[[pd.DataFrame], Probabilities]:
    """What gives churn_probability, to the last bit, by the served model's faster arithmetic where that knows the
    pipeline."""
    fast_path = FastPath.of(fitted, PackedForest)
    if fast_path is None:
        return lambda rows: churn_probability(fitted, rows, features)
    return lambda rows: fast_path.predict_proba(rows[list(features)])[:, 1]


def cross_validate(
    unfitted: Pipeline,
    rows: pd.DataFrame,
    features: Sequence[str],
    folds: Sequence[tuple[Places, Places]],
    watched: Callable[[Iterable[float]], Iterable[float]] = iter,
) -> list[float]:
    """AUC on each fold's held-out rows. The folds are fitted side by side, each in one thread.

    folds: pairs of row positions, (training rows, held-out rows).
    watched: hands on each fold's AUC as it comes, to show how far it is.
    """

    def held_out_auc(train: Places, held_out: Places) -> float:
        fitted = clone(unfitted).fit(rows.iloc[train][list(features)], rows[LABEL].iloc[train].astype(int))
        probability = fitted.predict_proba(rows.iloc[held_out][list(features)])[:, 1]
        return float(roc_auc_score(rows[LABEL].iloc[held_out], probability))

    with threadpool_limits(limits=1):  # around all of them: the limit is the process's, not a thread's
        found = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
            delayed(held_out_auc)(train, held_out) for train, held_out in folds
        )
        return list(watched(found))
