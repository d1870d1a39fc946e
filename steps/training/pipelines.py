"""The scikit-learn pipelines, from raw features to the probability of churn. Pure; every random state is fixed."""

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
from steps.training.model.fast_path import FastPath, row_by_row
from steps.training.model.packed_forest import PackedForest
from steps.training.split import FOLDS, Positions

Probabilities = NDArray[np.float64]

Calibration = Literal["sigmoid", "isotonic", "none"]
CALIBRATIONS: tuple[Calibration, ...] = ("sigmoid", "isotonic", "none")


@dataclass(frozen=True)
class Hyperparameters:
    """scikit-learn's own names. HYPERPARAMETERS has the ones that each model takes."""

    n_estimators: int
    max_iter: int
    max_leaf_nodes: int
    learning_rate: float
    C: float
    min_samples_leaf: int = 1  # scikit-learn's default

    def of(self, model: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in HYPERPARAMETERS[model]}


HYPERPARAMETERS: Mapping[str, tuple[str, ...]] = {
    "random_forest": ("n_estimators", "min_samples_leaf"),
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
    """Settings that are not tuned, but logged like hyperparameters."""
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
    """Unfitted: one-hot encoding of the text columns, the others passed through (scaled for the linear model).

    categories: the values of each text column. Any other value is an error, not a row of zeros.
    """
    one_hot = OneHotEncoder(categories=[list(values) for values in categories.values()], sparse_output=False)
    rest = StandardScaler() if model == "logistic_regression" else "passthrough"
    encode = ColumnTransformer([("one_hot", one_hot, list(categories))], remainder=rest)
    return Pipeline([("encode", encode), ("classify", classifier(model, hyperparameters))])


def unfitted(
    model: str, hyperparameters: Hyperparameters, rows: pd.DataFrame, categorical_cols: Sequence[str]
) -> Pipeline:
    """The pipeline for the text values in these rows."""
    return pipeline(model, hyperparameters, {name: sorted(rows[name].unique()) for name in categorical_cols})


def calibrated(unfitted: Pipeline, calibration: Calibration, folds: Sequence[tuple[Positions, Positions]]) -> Pipeline:
    """A pipeline whose probabilities are calibrated on its classifier's outputs for the folds' held-out rows. The
    classifier itself is fitted to all rows, as without calibration. With "none", the pipeline is unchanged.

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


def column_means(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> list[float] | None:
    """Of a linear classifier's columns over its training rows: its reasons count from them. None for trees, which know
    their training rows' shares."""
    if not isinstance(uncalibrated(fitted)["classify"], LogisticRegression):
        return None
    return [float(mean) for mean in np.asarray(fitted["encode"].transform(rows[list(features)])).mean(axis=0)]


def fit(unfitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Pipeline:
    """A fitted copy; the same rows give the same predictions, bit for bit.

    Trees and folds are fitted in parallel, each in one thread. A forest adds up its votes in one thread: several would
    add them in a different order each time, which changes the last bit. Boosting runs in one thread for that reason.
    """
    with threadpool_limits(limits=1), parallel_config(backend="threading", n_jobs=-1):
        fitted = clone(unfitted).fit(rows[list(features)], rows[LABEL].astype(int))
    if isinstance(fitted["classify"], CalibratedClassifierCV):
        # their number: thousands of row numbers do not belong in every model file
        fitted.set_params(classify__cv=FOLDS)
    return fitted


def churn_probability(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Probabilities:
    """Each row's does not depend on the other rows."""
    with threadpool_limits(limits=1):
        return np.asarray(row_by_row(fitted).predict_proba(rows[list(features)])[:, 1])


def fast_churn_probability(fitted: Pipeline, features: Sequence[str]) -> Callable[[pd.DataFrame], Probabilities]:
    """A function from rows to churn_probability, to the last bit; uses the fast path where it supports the pipeline."""
    fast_path = FastPath.of(fitted, PackedForest)
    if fast_path is None:
        return lambda rows: churn_probability(fitted, rows, features)
    return lambda rows: fast_path.predict_proba(rows[list(features)])[:, 1]


def cross_validate(
    unfitted: Pipeline,
    rows: pd.DataFrame,
    features: Sequence[str],
    folds: Sequence[tuple[Positions, Positions]],
    watched: Callable[[Iterable[float]], Iterable[float]] = iter,
) -> list[float]:
    """The AUC on each fold's held-out rows. The folds are fitted in parallel, each in one thread.

    folds: pairs of row positions, (training rows, held-out rows).
    watched: passes on each fold's AUC as it is computed, to show the progress.
    """

    def held_out_auc(train: Positions, held_out: Positions) -> float:
        fitted = clone(unfitted).fit(rows.iloc[train][list(features)], rows[LABEL].iloc[train].astype(int))
        probability = fitted.predict_proba(rows.iloc[held_out][list(features)])[:, 1]
        return float(roc_auc_score(rows[LABEL].iloc[held_out], probability))

    with threadpool_limits(limits=1):  # around all folds: the limit applies to the process, not to a thread
        aucs = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
            delayed(held_out_auc)(train, held_out) for train, held_out in folds
        )
        return list(watched(aucs))
