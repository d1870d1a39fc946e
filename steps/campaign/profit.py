"""What lists of any length would have been worth, with the labels of users that the version was never trained on. Pure.

The users are contacted in the order of their expected gain, and for comparison in that of their probability. A user who
left brings response rate x value, an assumption; every contact costs. So the curve tells orders and lengths apart, and
not whether the response rate is right: the control group does that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steps.campaign.terms import Numbers, Terms
from steps.cli.settings import RANDOM_STATE
from steps.scoring.quality import LEVEL, MIN_PER_CLASS, MIN_USERS, SHARES, Figure, Labels

DRAWS = 400
RECORDED = 41
"""Points of the recorded curve"""

Orders = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of users: by expected gain, by probability"""


@dataclass(frozen=True)
class Measured:
    """Users with a label, never trained on."""

    probability: Numbers
    monthly_fee: Numbers
    left: Labels


@dataclass(frozen=True)
class Profit:
    """Profits are for each 1,000 measured users, contacted or not. share: of the users, as many as the list has."""

    users: int
    left: int
    share: float
    by_gain: Numbers  # for each of SHARES
    by_probability: Numbers
    at_share: float
    at_share_by_probability: float
    difference: Figure  # of the two, with its bootstrap interval

    @property
    def best(self) -> int:
        """The index in SHARES of the most profitable length; the shortest of equal ones."""
        return int(np.argmax(self.by_gain))

    @property
    def best_share(self) -> float:
        """0 where no length has a profit."""
        return float(SHARES[self.best]) if self.by_gain[self.best] > 0 else 0.0


def measure(terms: Terms, measured: Measured, share: float, draws: int = DRAWS) -> Profit | None:
    """None with too few users, by the same rule as for the quality of the scores."""
    users, leaving = len(measured.left), int(measured.left.sum())
    if users < MIN_USERS or min(leaving, users - leaving) < MIN_PER_CLASS:
        return None
    realised, orders = _realised(terms, measured)
    curves = [_curve(realised[order]) for order in orders]
    values = _values(realised, orders, np.ones(users, dtype=np.int64), share)
    changes = resampled_differences(terms, measured, share, draws)
    low, high = np.quantile(changes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    figure = Figure(values[0] - values[1], float(low), float(high))
    return Profit(users, leaving, share, curves[0], curves[1], values[0], values[1], figure)


def resampled_differences(terms: Terms, measured: Measured, share: float, draws: int) -> Numbers:
    """Of resamples of the users: the profit of as many users as this share makes, by expected gain, less by
    probability."""
    realised, orders = _realised(terms, measured)
    values = [_values(realised, orders, times, share) for times in _resamples(len(realised), draws)]
    return np.array([by_gain - by_probability for by_gain, by_probability in values])


def as_record(profit: Profit) -> dict[str, Any]:
    """As JSON: the figures, and the curve as [share of the users, by gain, by probability]."""
    places = np.unique(np.linspace(0, len(SHARES) - 1, RECORDED).round().astype(np.int64))
    places = np.union1d(places, [profit.best])
    points = zip(SHARES[places], profit.by_gain[places], profit.by_probability[places], strict=True)
    return {
        "users": profit.users,
        "left": profit.left,
        "share": profit.share,
        "at_share": profit.at_share,
        "at_share_by_probability": profit.at_share_by_probability,
        "difference": [profit.difference.value, profit.difference.low, profit.difference.high],
        "best_share": profit.best_share,
        "best": max(0.0, float(profit.by_gain[profit.best])),
        "curve": [[float(figure) for figure in point] for point in points],
    }


def _realised(terms: Terms, measured: Measured) -> tuple[Numbers, Orders]:
    """Each user's realised gain, and the users by expected gain and by probability."""
    expected = terms.expected_gain(measured.probability, measured.monthly_fee)
    realised = terms.realised_gain(measured.left, measured.monthly_fee)
    return realised, (_order(expected), _order(measured.probability))


def _order(numbers: Numbers) -> NDArray[np.int64]:
    """The largest first; equal ones stay in their order."""
    return np.argsort(-numbers, kind="stable")


def _curve(ordered: Numbers) -> Numbers:
    sizes = np.maximum(1, np.round(SHARES * len(ordered))).astype(np.int64)
    return np.asarray(np.cumsum(ordered)[sizes - 1] * 1000 / len(ordered))


def _resamples(users: int, draws: int) -> Iterator[NDArray[np.int64]]:
    """How often each user occurs in each resample."""
    chance = np.random.default_rng(RANDOM_STATE)
    return (np.bincount(chance.integers(0, users, users), minlength=users) for _ in range(draws))


def _values(realised: Numbers, orders: Orders, times: NDArray[np.int64], share: float) -> tuple[float, float]:
    by_gain, by_probability = (profit_of_best(realised[order], times[order], share) for order in orders)
    return by_gain, by_probability


def profit_of_best(ordered: Numbers, times: NDArray[np.int64], share: float) -> float:
    """Of the first users, as many as this share of all makes, for each 1,000 of all. times: a user's number in the
    sample."""
    users = int(times.sum())
    before = np.cumsum(times) - times
    taken = np.clip(np.round(share * users) - before, 0, times)
    return float(taken @ ordered) * 1000 / users
