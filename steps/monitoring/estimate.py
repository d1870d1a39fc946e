"""An estimate of a version's quality before labels are known, from its calibrated probabilities alone. Pure.

The idea is NannyML's "confidence-based performance estimation" (CBPE): where a probability means what it says, a user
with 0.3 counts as 0.3 of one who leaves and 0.7 of one who stays. Then the expected number of pairs ranked right, over
the expected number of pairs, is the AUC to be expected.

What it cannot see: a change of what the features mean for leaving. The version's probabilities are then wrong, and the
estimate is made from nothing else. On the real February it says about what January's validation said, and the labels
say that the version has gone blind. It sees a change of who is there: users who are harder to tell apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steps.cli.settings import RANDOM_STATE
from steps.scoring.quality import LEVEL, Figure, Probabilities

BLIND = (
    "an estimate from the version's own probabilities: it cannot see that features have come to mean something else "
    "for leaving"
)
DRAWS, MIN_DRAWS, MAX_ROWS_DRAWN = 1000, 100, 50_000_000


@dataclass(frozen=True)
class Estimate:
    """The interval has 95% of the values that labels drawn by these probabilities would give."""

    users: int
    auc: Figure
    brier: float
    share_who_leave: float


def estimate(probability: Probabilities) -> Estimate | None:
    """None where no pair of users is expected to differ: no users, or all probabilities 0 or 1 alike."""
    ordered = np.sort(probability)
    auc = _expected_auc(ordered)
    if auc is None:
        return None
    low, high = _interval(ordered)
    brier = float(np.mean(ordered * (1 - ordered)))
    return Estimate(len(ordered), Figure(auc, low, high), brier, float(ordered.mean()))


def _expected_auc(ordered: Probabilities) -> float | None:
    """Expected pairs ranked right over expected pairs; a user is no pair with itself, a tie counts half."""
    staying, both = 1 - ordered, ordered * (1 - ordered)
    pairs = ordered.sum() * staying.sum() - both.sum()
    if not pairs > 0:
        return None
    starts = np.flatnonzero(np.append(True, np.diff(ordered) > 0))
    leave, stay, self_pairs = (np.add.reduceat(values, starts) for values in (ordered, staying, both))
    lower = np.cumsum(stay) - stay
    right = (leave * lower).sum() + ((leave * stay - self_pairs) / 2).sum()
    return float(right / pairs)


def _interval(ordered: Probabilities) -> tuple[float, float]:
    """Of the AUC of labels drawn by the probabilities."""
    chance = np.random.default_rng(RANDOM_STATE)
    ends = np.append(np.flatnonzero(np.diff(ordered) > 0), len(ordered) - 1)
    draws = min(DRAWS, max(MIN_DRAWS, MAX_ROWS_DRAWN // len(ordered)))
    aucs = [_auc(chance.random(len(ordered)) < ordered, ends) for _ in range(draws)]
    low, high = np.nanquantile(aucs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _auc(left: NDArray[np.bool_], ends: NDArray[np.intp]) -> float:
    """Of labels in the order of rising probabilities; NaN where all are alike."""
    leaving = np.append(0, np.cumsum(left)[ends])
    staying = np.append(0, ends + 1) - leaving
    pairs = float(leaving[-1]) * float(staying[-1])
    if pairs == 0:
        return float("nan")
    return 1 - float(np.trapezoid(leaving, staying)) / pairs
