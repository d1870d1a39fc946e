"""Intervals of many users, who are drawn in groups, are those that single users have; and they take no minutes."""

import numpy as np
import pytest

from steps.scoring import quality
from steps.scoring.quality import MANY_USERS, Figure, Quality


def measured(users: int, digits: int = 17) -> Quality:
    """Of users with probabilities that mean what they say, the same first ones for every number of users."""
    chance = np.random.default_rng(8)
    drawn = chance.random((MANY_USERS + 1, 3))[:users]
    probability = (drawn[:, 0] * drawn[:, 1]).round(digits)
    result = quality.measure(probability, drawn[:, 2] < probability)
    assert result
    return result


def width(figure: Figure) -> float:
    return figure.high - figure.low


@pytest.mark.parametrize("digits", [17, 1])
def test_grouped_users_have_the_intervals_of_single_users(digits: int) -> None:
    single, grouped = measured(MANY_USERS, digits).by_name, measured(MANY_USERS + 1, digits).by_name
    for name, figure in grouped.items():
        assert figure.low < figure.value < figure.high
        assert width(figure) == pytest.approx(width(single[name]), rel=0.15)
        assert figure.value == pytest.approx(single[name].value, rel=1e-3)
