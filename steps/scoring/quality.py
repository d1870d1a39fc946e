"""How good a version is on a month, over users that it never trained on: figures with their 95% intervals, or why there
are none. Pure; the random state is fixed.

On its own training rows a forest is nearly perfect: the baseline has an AUC of 0.975 over the whole month it was
trained on, and 0.81 to 0.83 over users it never saw. The intervals are percentile intervals of a bootstrap, stratified
as the gate's are: each draw takes as many who leave and as many who stay as there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score

from steps.cli.settings import RANDOM_STATE

Probabilities = NDArray[np.float64]
Labels = NDArray[np.bool_]

MIN_USERS, MIN_PER_CLASS = 50, 10
DRAWS, MIN_DRAWS = 2000, 200
MOST_ROWS_DRAWN = (
    200_000_000  # from 100,000 users on fewer draws: their intervals are narrow, and a million would take a minute
)
LEVEL = 0.95
SHARES = np.linspace(0.01, 1.0, 100)
TENTH = 9  # of SHARES


@dataclass(frozen=True)
class Figure:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    users: int
    left: int
    auc: Figure
    brier: Figure
    lift_at_10_percent: Figure

    @property
    def named(self) -> dict[str, Figure]:
        return {"AUC": self.auc, "Brier": self.brier, "lift_at_10_percent": self.lift_at_10_percent}


def measure(probability: Probabilities, left: Labels) -> Quality | None:
    """None where there are too few users, or too few of a class, for a figure to mean anything."""
    leaving = int(left.sum())
    if len(left) < MIN_USERS or min(leaving, len(left) - leaving) < MIN_PER_CLASS:
        return None
    values = (
        float(roc_auc_score(left, probability)),
        float(brier_score_loss(left, probability)),
        float(lift(probability, left)[TENTH]),
    )
    ordered = _Ordered(probability, left)
    drawn = np.array([ordered.figures(times) for times in ordered.draws()])
    lows, highs = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    figures = [Figure(value, float(low), float(high)) for value, low, high in zip(values, lows, highs, strict=True)]
    return Quality(len(left), leaving, *figures)


def gain(probability: Probabilities, left: Labels) -> NDArray[np.float64]:
    """The share of all who leave that is among the SHARES most likely."""
    found = np.cumsum(left[np.argsort(-probability, kind="stable")])
    return np.asarray(found[_contacted(len(left)) - 1] / found[-1], dtype=np.float64)


def lift(probability: Probabilities, left: Labels) -> NDArray[np.float64]:
    """How many times more who leave than among as many users taken at random."""
    return gain(probability, left) * len(left) / _contacted(len(left))


def _contacted(users: int) -> NDArray[np.int64]:
    return np.maximum(1, np.round(SHARES * users)).astype(np.int64)


class _Ordered:
    """The rows, most likely first: sorted once, then a draw is how often it holds each of them."""

    def __init__(self, probability: Probabilities, left: Labels) -> None:
        order = np.argsort(-probability, kind="stable")
        self.left = left[order]
        self.squared_errors = (probability[order] - self.left) ** 2
        self.ends_of_ties = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
        self.tenth = int(_contacted(len(order))[TENTH])

    def draws(self) -> Iterator[NDArray[np.int64]]:
        chance = np.random.default_rng(RANDOM_STATE)
        classes = [np.flatnonzero(self.left), np.flatnonzero(~self.left)]
        for _ in range(min(DRAWS, max(MIN_DRAWS, MOST_ROWS_DRAWN // len(self.left)))):
            times = np.zeros(len(self.left), dtype=np.int64)
            for rows in classes:
                times[rows] = np.bincount(chance.integers(0, len(rows), len(rows)), minlength=len(rows))
            yield times

    def figures(self, times: NDArray[np.int64]) -> tuple[float, float, float]:
        """AUC, Brier score and lift at 10% of a draw, as scikit-learn has them."""
        found, seen = np.cumsum(times * self.left), np.cumsum(times)
        leaving = np.append(0, found[self.ends_of_ties])
        staying = np.append(0, (seen - found)[self.ends_of_ties])
        auc = float(np.trapezoid(leaving, staying) / (leaving[-1] * staying[-1]))
        last = int(np.searchsorted(seen, self.tenth))
        too_many = (seen[last] - self.tenth) * self.left[last]
        lift_there = (found[last] - too_many) / found[-1] * seen[-1] / self.tenth
        return auc, float(times @ self.squared_errors / seen[-1]), float(lift_there)
