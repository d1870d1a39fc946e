"""The call list against the users most likely to leave, at the same length, on made-up users scored out of fold. Pure.

Every user is scored by a model that did not train on the user, so that all users of a month count: on the quarter that
validates a version alone, chance is larger than the difference.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.monitor_rates.months import FEATURES, HYPERPARAMETERS
from steps.campaign.profit import Measured, measure, resampled_differences
from steps.campaign.terms import Terms
from steps.cli.settings import LABEL
from steps.training import pipelines
from steps.training.split import folds

SHARES = (0.05, 0.1, 0.2, 0.3)
RESAMPLES = 200
MODEL = "hist_gradient_boosting"
TERMS = Terms("a comparison", 1, None, 0.1, 12, 5.0, 0.1)  # the defaults of score; the length is the share's


@dataclass(frozen=True)
class Comparison:
    """wins: the share of the resamples in which the list is worth more. Values are for each 1,000 users."""

    share: float
    by_gain: float
    by_probability: float
    wins: float


def out_of_fold(rows: pd.DataFrame) -> Measured:
    """rows: of a month, with features and labels, sorted by user."""
    probability = np.empty(len(rows))
    categories = {"net_service": sorted(rows["net_service"].unique())}
    for trained, held_out in folds(rows, "user"):
        training = rows.iloc[trained].reset_index(drop=True)
        unfitted = pipelines.pipeline(MODEL, HYPERPARAMETERS, categories)
        calibrated = pipelines.calibrated(unfitted, "sigmoid", folds(training, "user"))
        fitted = pipelines.fit(calibrated, training, FEATURES)
        probability[held_out] = pipelines.churn_probability(fitted, rows.iloc[held_out], FEATURES)
    return Measured(probability, rows["monthly_fee"].to_numpy(np.float64), rows[LABEL].to_numpy(bool))


def comparisons(measured: Measured) -> list[Comparison]:
    compared = []
    for share in SHARES:
        profit = measure(TERMS, measured, share, RESAMPLES)
        if profit is None:
            raise ValueError(f"too few users: {len(measured.left)}")
        wins = float((resampled_differences(TERMS, measured, share, RESAMPLES) > 0).mean())
        compared.append(Comparison(share, profit.at_share, profit.at_share_by_probability, wins))
    return compared
