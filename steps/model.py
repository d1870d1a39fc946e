"""The scikit-learn pipelines: raw features in, churn probability out. Pure; every random state is fixed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from steps.settings import LABEL, RANDOM_STATE
from steps.split import Places

Probabilities = NDArray[np.float64]

SHUFFLES = 3


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
        return RandomForestClassifier(n_jobs=-1, **chosen)
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


def fit(unfitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Pipeline:
    """A fitted copy that predicts the same, bit for bit.

    Trees are grown side by side, but their votes added up one after the other: threads would add them in another order
    each time, and the last bit would change. Boosting is held to one thread for the same end.
    """
    with threadpool_limits(limits=1):
        fitted = clone(unfitted).fit(rows[list(features)], rows[LABEL].astype(int))
    if isinstance(fitted["classify"], RandomForestClassifier):
        fitted.set_params(classify__n_jobs=1)
    return fitted


def churn_probability(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> Probabilities:
    with threadpool_limits(limits=1):
        return np.asarray(fitted.predict_proba(rows[list(features)])[:, 1])


def scores(truth: "pd.Series[bool]", probability: Probabilities) -> dict[str, float]:
    """AUC, F1 and ACC; a customer is predicted to leave above 0.5, as scikit-learn's predict() decides it."""
    predicted = probability > 0.5  # noqa: PLR2004
    return {
        "AUC": float(roc_auc_score(truth, probability)),
        "F1": float(f1_score(truth, predicted)),
        "ACC": float(accuracy_score(truth, predicted)),
    }


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
    single = clone(unfitted)
    if isinstance(single["classify"], RandomForestClassifier):
        single.set_params(classify__n_jobs=1)  # the trees are the same, however many threads grow them

    def held_out_auc(train: Places, held_out: Places) -> float:
        fitted = clone(single).fit(rows.iloc[train][list(features)], rows[LABEL].iloc[train].astype(int))
        probability = fitted.predict_proba(rows.iloc[held_out][list(features)])[:, 1]
        return float(roc_auc_score(rows[LABEL].iloc[held_out], probability))

    with threadpool_limits(limits=1):  # around all of them: the limit is the process's, not a thread's
        found = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
            delayed(held_out_auc)(train, held_out) for train, held_out in folds
        )
        return list(watched(found))


def importances(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> "pd.Series[float]":
    """Per feature, in [0, 1], how much the model leans on it: a forest's loss of impurity, the size of a linear model's
    coefficient, else the loss of AUC on these rows when the values are shuffled. The sum is 1."""
    classify = fitted["classify"]
    if hasattr(classify, "feature_importances_"):
        found = _per_feature(fitted, classify.feature_importances_, features)
    elif hasattr(classify, "coef_"):
        found = _per_feature(fitted, np.abs(classify.coef_[0]), features)
    else:
        found = _shuffled(fitted, rows, features)
    return (found / found.sum()).sort_values()


def _per_feature(fitted: Pipeline, weights: Probabilities, features: Sequence[str]) -> "pd.Series[float]":
    """One-hot columns added up to the feature they come from."""
    names = fitted["encode"].get_feature_names_out()
    owners = [max((f for f in features if f in name.split("__", 1)[1]), key=len) for name in names]
    return pd.Series(weights).groupby(owners).sum().reindex(list(features), fill_value=0.0)


def _shuffled(fitted: Pipeline, rows: pd.DataFrame, features: Sequence[str]) -> "pd.Series[float]":
    with threadpool_limits(limits=1):
        result = permutation_importance(
            fitted,
            rows[list(features)],
            rows[LABEL].astype(int),
            scoring="roc_auc",
            n_repeats=SHUFFLES,
            random_state=RANDOM_STATE,
        )
    return pd.Series(result.importances_mean, index=list(features)).clip(lower=0.0)
