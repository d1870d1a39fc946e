"""The profit of lists of any length, and of two orders at the same length."""

import numpy as np
import pytest

from steps.campaign.profit import Measured, measure, profit_of_best
from steps.scoring.quality import SHARES
from tests.steps.campaign.test_selection import terms

CHANCE = np.random.default_rng(7)


def calibrated(users: int, fees: tuple[float, float] = (20.0, 110.0)) -> Measured:
    """Users who leave with just their probability, whose fees have nothing to do with it."""
    probability = CHANCE.beta(1, 3, users)
    return Measured(probability, CHANCE.uniform(*fees, users), CHANCE.random(users) < probability)


def test_the_profit_of_everybody_is_the_same_in_every_order() -> None:
    profit = measure(terms(), calibrated(400), 0.5, draws=20)
    assert profit is not None
    assert profit.by_gain[-1] == pytest.approx(profit.by_probability[-1])


def test_a_point_of_the_curve_is_the_profit_of_its_users() -> None:
    measured, given_terms = calibrated(1000), terms()
    profit = measure(given_terms, measured, 0.1, draws=20)
    first = np.argsort(-given_terms.expected_gain(measured.probability, measured.monthly_fee))[:100]
    value = given_terms.realised_gain(measured.left[first], measured.monthly_fee[first]).sum()
    assert profit is not None
    assert profit.by_gain[9] == pytest.approx(value)
    assert profit.at_share == pytest.approx(value)
    assert profit.difference.value == pytest.approx(profit.at_share - profit.at_share_by_probability)


def test_the_best_length_ends_where_a_contact_no_longer_pays() -> None:
    measured = calibrated(20_000, (60.0, 60.0))
    profit = measure(terms(contact_cost=18.0), measured, 0.1, draws=20)  # pays above a probability of 0.25
    assert profit is not None
    assert profit.best_share == pytest.approx((measured.probability > 0.25).mean(), abs=0.06)


def test_where_no_contact_pays_the_best_length_is_zero() -> None:
    profit = measure(terms(contact_cost=500.0), calibrated(400), 0.1, draws=20)
    assert profit is not None
    assert (profit.best_share, max(profit.by_gain) < 0) == (0.0, True)


def test_with_equal_fees_both_orders_are_one() -> None:
    profit = measure(terms(), calibrated(400, (60.0, 60.0)), 0.2, draws=20)
    assert profit is not None
    assert (profit.difference.value, profit.difference.low, profit.difference.high) == (0, 0, 0)


def test_fees_that_differ_are_worth_an_order_of_their_own() -> None:
    profit = measure(terms(), calibrated(20_000), 0.2, draws=100)
    assert profit is not None
    assert profit.difference.low > 0


def test_too_few_users_have_no_profit() -> None:
    measured = calibrated(400)
    assert (
        measure(terms(), Measured(measured.probability[:49], measured.monthly_fee[:49], measured.left[:49]), 0.1)
        is None
    )
    nobody = np.zeros(400, dtype=np.bool_)
    assert measure(terms(), Measured(measured.probability, measured.monthly_fee, nobody), 0.1) is None


def test_a_resample_counts_a_user_as_often_as_drawn() -> None:
    ordered = np.array([10.0, 5.0, 1.0, -1.0])
    times = np.array([0, 3, 1, 0])
    assert profit_of_best(ordered, times, 0.5) == pytest.approx(10 / 4 * 1000)
    assert profit_of_best(ordered, times, 1.0) == pytest.approx(16 / 4 * 1000)
    assert SHARES[-1] == 1.0
