"""The estimate of the AUC without labels: right where probabilities mean what they say, blind where they do not."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from steps.monitoring.estimate import estimate

CHANCE = np.random.default_rng(3)


def calibrated(users: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities, and labels drawn by them."""
    probability = CHANCE.beta(0.8, 2.0, users)
    return probability, CHANCE.random(users) < probability


def test_the_expected_auc_is_that_of_all_pairs() -> None:
    probability = np.array([0.1, 0.1, 0.4, 0.7, 0.7, 0.9])
    right = pairs = 0.0
    for i, leaving in enumerate(probability):
        for j, staying in enumerate(probability):
            if i != j:
                weight = leaving * (1 - staying)
                pairs += weight
                right += weight * (float(leaving > staying) + float(leaving == staying) / 2)
    estimated = estimate(probability)
    assert estimated is not None
    assert estimated.auc.value == pytest.approx(right / pairs, rel=1e-12)


def test_where_probabilities_mean_what_they_say_the_interval_covers_what_came_true() -> None:
    covered = 0
    for _ in range(40):
        probability, left = calibrated(1500)
        estimated = estimate(probability)
        assert estimated is not None
        covered += estimated.auc.low <= roc_auc_score(left, probability) <= estimated.auc.high
    assert covered >= 33  # of 40, 38 are expected; fewer than 33 come once in 400


def test_it_cannot_see_that_labels_no_longer_follow_the_features() -> None:
    probability, left = calibrated(3000)
    blind = CHANCE.permutation(left)
    estimated = estimate(probability)
    assert estimated is not None
    assert estimated.auc.low > 0.75
    assert roc_auc_score(blind, probability) < 0.55


def test_the_order_of_users_changes_no_bit() -> None:
    probability, _left = calibrated(900)
    assert estimate(probability) == estimate(CHANCE.permutation(probability))


@pytest.mark.parametrize("probability", [[], [0.0, 0.0], [1.0], [0.4]])
def test_without_a_pair_there_is_no_estimate(probability: list[float]) -> None:
    assert estimate(np.array(probability, dtype=np.float64)) is None
