"""A model's quality on rows that it was not fitted to: figures and feature importances. Pure."""

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
MAX_SHUFFLED = 5_000  # rows: more would take longer than the training without changing the plot

Probabilities = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Validated:
    """The validation users' labels (true: left), and a model's outputs for them; arrays of one length."""

    truth: Labels
    probability: Probabilities
    score: Probabilities
    """The classifier's own output; equal to the probability without calibration"""
    calibration: str
    threshold: float

    @property
    def figures(self) -> dict[str, float]:
        """AUC, F1, ACC at the threshold, Brier score, calibration error, mean probability, the share who left; with
        calibration also the figures of the classifier's own score at threshold 0.5, named *_uncalibrated."""
        figures = scores(self.truth, self.probability, self.threshold)
        if self.calibration != "none":
            figures |= {f"{name}_uncalibrated": value for name, value in scores(self.truth, self.score, 0.5).items()}
        return figures | {"share_who_left": float(self.truth.mean())}


def scores(truth: Labels, probability: Probabilities, threshold: float) -> dict[str, float]:
    """A user is predicted to leave above the threshold; at 0.5 that is scikit-learn's predict()."""
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
    """The expected calibration error over ten bins of equal size, by probability: the weighted mean of the distances
    between a bin's mean probability and its share who left."""
    order = np.argsort(probability, kind="stable")
    left = np.asarray(truth, dtype=np.float64)
    gaps = [abs(float((probability[users] - left[users]).sum())) for users in np.array_split(order, BINS)]
    return sum(gaps) / len(order)


def importances(
    leaving: Callable[[pd.DataFrame], Probabilities], rows: pd.DataFrame, features: Sequence[str]
) -> pd.DataFrame:
    """Per feature, the AUC lost on these rows when its values are shuffled: columns `mean` and `std` of five shuffles,
    the smallest mean first. With more rows than MAX_SHUFFLED, a fixed sample of them is used.

    leaving: from rows of features to probabilities of leaving.
    """
    if len(rows) > MAX_SHUFFLED:
        rows = rows.sample(MAX_SHUFFLED, random_state=RANDOM_STATE)

    original = rows[list(features)]
    unshuffled = leaving(original)

    def auc(_model: object, shuffled: pd.DataFrame, truth: "pd.Series[bool]") -> float:
        changed = (shuffled != original).any(axis=1).to_numpy()  # about half of the rows keep their value
        probability = unshuffled.copy()
        if changed.any():
            probability[changed] = leaving(shuffled[changed])
        return float(roc_auc_score(truth, probability))

    with threadpool_limits(limits=1), parallel_config(backend="threading", n_jobs=-1):
        result = permutation_importance(
            _Fitted(),
            original,
            rows[LABEL].astype(int),
            scoring=auc,
            n_repeats=SHUFFLES,
            random_state=RANDOM_STATE,
        )
    importances = pd.DataFrame({"mean": result.importances_mean, "std": result.importances_std}, index=list(features))
    return importances.sort_values("mean", kind="stable")


class _Fitted:
    """scikit-learn requires an estimator, though only the scoring function uses it."""

    def fit(self) -> None: ...
