"""From which effect on a column has drifted: the larger of an effect worth acting on and what chance alone makes of the
user's own data. Pure; the random state is fixed.

Chance: both samples drawn again from the reference's bins, at their own sizes, many times; the PSI that all features of
a run together exceed in one run of a hundred. At 7,000 users that is about 0.01, at 100 users more than 0.3: a small
month does not alarm by being small. The same users are in both months, which makes real months vary less than that.
"""

from functools import lru_cache

import numpy as np

from steps.cli.settings import RANDOM_STATE
from steps.monitoring.effects import Counts, psi

SMALLEST_PSI = 0.05  # half of 0.1, from which on a shift is usually called moderate: 0.1 is found in 95 of 100 months
FALSE_ALARMS = 0.01  # runs without drift in which any feature exceeds what chance makes
DRAWS = 10_000
FEW_DRAWS, MANY_USERS = 2_000, 100_000  # where the smallest effect decides anyhow


def by_chance(reference: Counts, users: int, comparisons: int) -> float:
    """The PSI that chance exceeds with probability FALSE_ALARMS in any of so many comparisons. users: in the sample."""
    return _by_chance(tuple(reference[reference > 0].tolist()), users, comparisons)


@lru_cache(maxsize=1024)  # the simulation of error rates asks for the same again and again
def _by_chance(reference: tuple[int, ...], users: int, comparisons: int) -> float:
    size = sum(reference)
    if not size or not users:
        return float("inf")
    chance = np.random.default_rng(RANDOM_STATE)
    draws = FEW_DRAWS if min(size, users) > MANY_USERS else DRAWS
    shares = np.array(reference) / size
    drawn = [chance.multinomial(count, shares, draws) for count in (size, users)]
    return float(np.quantile(psi(*drawn), (1 - FALSE_ALARMS) ** (1 / comparisons)))


def of_feature(reference: Counts, users: int, comparisons: int) -> float:
    return max(SMALLEST_PSI, by_chance(reference, users, comparisons))
