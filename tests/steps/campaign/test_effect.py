"""The effect of a campaign and its interval, against the paper's examples and scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from steps.campaign.effect import MIN_GROUP, Group, difference, effect, expected_precision, wilson

GROUPS = st.integers(1, 5000).flatmap(lambda users: st.builds(Group, st.just(users), st.integers(0, users)))


@given(GROUPS)
def test_the_interval_of_a_share_is_wilsons(group: Group) -> None:
    expected = binomtest(group.left, group.users).proportion_ci(0.95, method="wilson")
    assert wilson(group.users, group.left) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (Group(70, 56), Group(80, 48), 0.0524, 0.3339),
        (Group(10, 9), Group(10, 3), 0.1705, 0.8090),
        (Group(7, 6), Group(7, 2), 0.0582, 0.8062),
        (Group(56, 5), Group(29, 0), -0.0381, 0.1926),
        (Group(10, 10), Group(20, 0), 0.6791, 1.0),
    ],
)
def test_the_interval_is_the_papers(first: Group, second: Group, low: float, high: float) -> None:
    figure = difference(first, second)
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=5e-5)


@given(GROUPS, GROUPS)
def test_the_interval_is_around_the_difference_and_the_other_way_round_for_the_other_order(
    first: Group, second: Group
) -> None:
    figure, other_way = difference(first, second), difference(second, first)
    assert figure.low - 1e-12 <= figure.value <= figure.high + 1e-12
    assert (figure.value, figure.low, figure.high) == pytest.approx(
        (-other_way.value, -other_way.high, -other_way.low), abs=1e-12
    )
    assert -1 - 1e-12 <= figure.low <= figure.high <= 1 + 1e-12


def test_too_small_a_group_has_no_effect() -> None:
    assert effect(Group(5000, 400), Group(MIN_GROUP - 1, 2)) is None
    assert effect(Group(MIN_GROUP - 1, 2), Group(5000, 400)) is None
    figure = effect(Group(5000, 400), Group(MIN_GROUP, 2))
    assert figure is not None
    assert figure.value == pytest.approx(-0.12)


def test_the_precision_is_known_before_the_outcome() -> None:
    figure = difference(Group(900, 270), Group(100, 30))
    assert expected_precision(900, 100, 0.3) == pytest.approx((figure.high - figure.low) / 2)
    assert expected_precision(900, 5, 0.3) is None
