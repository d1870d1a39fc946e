"""A version's quality on a month, over users that it was never trained on: figures with 95% intervals. Pure; the random
state is fixed.

On its own training rows a forest is nearly perfect: the baseline has an AUC of 0.975 over the whole month of its
training, and 0.81 to 0.83 over users it never saw. The intervals are percentile intervals of a bootstrap, stratified as
the gate's are: each draw has the observed numbers of leaving and staying users. Many users are drawn as groups of
about equal probabilities, which leaves the intervals as wide as they are: a million single users would take minutes.
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
DRAWS = 2000
MANY_USERS, GROUPS = 20_000, 1000
LEVEL = 0.95
SHARES = np.linspace(0.01, 1.0, 100)
TENTH = 9  # index in SHARES


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
    def by_name(self) -> dict[str, Figure]:
        return {"AUC": self.auc, "Brier": self.brier, "lift_at_10_percent": self.lift_at_10_percent}


def measure(probability: Probabilities, left: Labels, draws: int = DRAWS) -> Quality | None:
    """left: true for users who left. None with fewer than MIN_USERS users, or MIN_PER_CLASS of a class."""
    leaving = int(left.sum())
    if len(left) < MIN_USERS or min(leaving, len(left) - leaving) < MIN_PER_CLASS:
        return None
    values = (
        float(roc_auc_score(left, probability)),
        float(brier_score_loss(left, probability)),
        float(lift(probability, left)[TENTH]),
    )
    rows = _rows(probability, left)
    changes = np.array([rows.figures(times) for times in rows.draws(draws)]) - rows.figures(rows.observed)
    lows, highs = np.quantile(changes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    figures = [
        Figure(value, value + float(low), value + float(high))
        for value, low, high in zip(values, lows, highs, strict=True)
    ]
    return Quality(len(left), leaving, *figures)


def gain(probability: Probabilities, left: Labels) -> NDArray[np.float64]:
    """For each of SHARES, the part of all leaving users among that share of the users, most likely first."""
    leaving = np.cumsum(left[np.argsort(-probability, kind="stable")])
    return np.asarray(leaving[_contacted(len(left)) - 1] / leaving[-1], dtype=np.float64)


def lift(probability: Probabilities, left: Labels) -> NDArray[np.float64]:
    """For each of SHARES, the leaving users found, as a multiple of those among as many random users."""
    return gain(probability, left) * len(left) / _contacted(len(left))


def _contacted(users: int) -> NDArray[np.int64]:
    return np.maximum(1, np.round(SHARES * users)).astype(np.int64)


@dataclass(frozen=True)
class _Rows:
    """Users or groups of users, most likely first. A draw is the number of times that each row occurs in it."""

    left: Labels
    squared_errors: NDArray[np.float64]
    ends_of_ties: NDArray[np.int64]
    observed: NDArray[np.int64]

    def draws(self, number: int) -> Iterator[NDArray[np.int64]]:
        chance = np.random.default_rng(RANDOM_STATE)
        classes = [np.flatnonzero(self.left), np.flatnonzero(~self.left)]
        for _ in range(number):
            times = np.zeros(len(self.left), dtype=np.int64)
            for rows in classes:
                times[rows] = self._drawn(chance, rows)
            yield times

    def _drawn(self, chance: np.random.Generator, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        users = int(self.observed[rows].sum())
        if users == len(rows):  # faster for single users
            return np.bincount(chance.integers(0, users, users), minlength=users)
        return chance.multinomial(users, self.observed[rows] / users)

    def figures(self, times: NDArray[np.int64]) -> tuple[float, float, float]:
        """AUC, Brier score and lift at 10% of a draw, as scikit-learn computes the first two."""
        left, drawn = np.cumsum(times * self.left), np.cumsum(times)
        leaving = np.append(0, left[self.ends_of_ties])
        staying = np.append(0, (drawn - left)[self.ends_of_ties])
        auc = float(np.trapezoid(leaving, staying) / (leaving[-1] * staying[-1]))
        tenth = int(_contacted(int(drawn[-1]))[TENTH])
        found = np.interp(tenth, leaving + staying, leaving)  # users that tie at the end count in part
        lift_at_tenth = found / left[-1] * drawn[-1] / tenth
        return auc, float(times @ self.squared_errors / drawn[-1]), float(lift_at_tenth)


def _rows(probability: Probabilities, left: Labels) -> _Rows:
    order = np.argsort(-probability, kind="stable")
    ordered, left = probability[order], left[order]
    errors = (ordered - left) ** 2
    if len(order) <= MANY_USERS:
        ends = np.append(np.flatnonzero(np.diff(ordered)), len(order) - 1)
        return _Rows(left, errors, ends, np.ones(len(order), dtype=np.int64))
    group = np.searchsorted(-ordered, -ordered) * GROUPS // len(order)  # equal probabilities are in one group
    row = 2 * group + ~left
    observed = np.bincount(row, minlength=2 * GROUPS)
    means = np.bincount(row, errors, minlength=2 * GROUPS) / np.maximum(1, observed)
    number = np.arange(2 * GROUPS)
    return _Rows(number % 2 == 0, means, number[1::2], observed)
