"""How good a model is on rows that it was not fitted to: figures and the importance of its features. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, roc_auc_score
from threadpoolctl import threadpool_limits

from steps.cli.settings import LABEL, RANDOM_STATE

BINS = 10
SHUFFLES = 5
MOST_SHUFFLED = 5_000  # rows: more would take longer than the training and move no bar

Probabilities = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Validated:
    """The validation users' truth, and what a model says of them before and after calibration."""

    truth: Labels
    probability: Probabilities
    score: Probabilities
    """Of the classifier itself; equal to the probability where nothing is calibrated"""
    calibration: str
    threshold: float

    @property
    def figures(self) -> dict[str, float]:
        """AUC, F1, ACC at the threshold, Brier score, calibration error, mean probability, the share who left; and,
        named uncalibrated, the same of the classifier itself, with its class rule: above 0.5."""
        found = scores(self.truth, self.probability, self.threshold)
        if self.calibration != "none":
            found |= {f"{name}_uncalibrated": value for name, value in scores(self.truth, self.score, 0.5).items()}
        return found | {"share_who_left": float(self.truth.mean())}


def scores(truth: Labels, probability: Probabilities, threshold: float) -> dict[str, float]:
    """A customer is predicted to leave above the threshold; at 0.5 that is scikit-learn's predict()."""
    predicted = probability > threshold
    return {
        "AUC": float(roc_auc_score(truth, probability)),
        "F1": float(f1_score(truth, predicted, zero_division=0.0)),
        "ACC": float(accuracy_score(truth, predicted)),
        "Brier": float(brier_score_loss(truth, probability)),
        "calibration_error": calibration_error(truth, probability),
        "mean_probability": float(np.mean(probability)),
    }


def calibration_error(truth: Labels, probability: Probabilities) -> float:
    """The expected calibration error: users in ten bins of equally many, by probability; the distance of each bin's
    mean probability from its share who left; their mean, weighted by the users of a bin."""
    order = np.argsort(probability, kind="stable")
    left = np.asarray(truth, dtype=np.float64)
    gaps = [abs(float((probability[users] - left[users]).sum())) for users in np.array_split(order, BINS)]
    return sum(gaps) / len(order)


def importances(
    leaving: Callable[[pd.DataFrame], Probabilities], rows: pd.DataFrame, features: Sequence[str]
) -> pd.DataFrame:
    """Per feature, the AUC lost on these rows when its values are shuffled: the columns `mean` and `std` of five
    shuffles, the smallest mean first. Of more rows than MOST_SHUFFLED, as many are taken, the same ones every time.

    leaving: rows of features to probabilities.
    """
    if len(rows) > MOST_SHUFFLED:
        rows = rows.sample(MOST_SHUFFLED, random_state=RANDOM_STATE)

    asked = rows[list(features)]
    as_they_are = leaving(asked)

    def auc(_model: object, shuffled: pd.DataFrame, truth: "pd.Series[bool]") -> float:
        changed = (shuffled != asked).any(axis=1).to_numpy()  # half of the rows get the value that they had
        probability = as_they_are.copy()
        if changed.any():
            probability[changed] = leaving(shuffled[changed])
        return float(roc_auc_score(truth, probability))

    with threadpool_limits(limits=1), parallel_config(backend="threading", n_jobs=-1):
        result = permutation_importance(
            _Fitted(),
            asked,
            rows[LABEL].astype(int),
            scoring=auc,
            n_repeats=SHUFFLES,
            random_state=RANDOM_STATE,
        )
    found = pd.DataFrame({"mean": result.importances_mean, "std": result.importances_std}, index=list(features))
    return found.sort_values("mean", kind="stable")


class _Fitted:
    """scikit-learn wants an estimator, though the scoring alone asks it."""

    def fit(self) -> None: ...
