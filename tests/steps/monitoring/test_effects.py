"""Effect sizes over the bins of a reference, and the thresholds that a user's own data give."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm, wasserstein_distance

from steps.monitoring.effects import NumberBins, Reference, psi
from steps.monitoring.thresholds import SMALLEST_PSI, by_chance, of_feature

CHANCE = np.random.default_rng(1)


def normal(users: int, shift: float = 0.0) -> pa.Array:
    return pa.array(CHANCE.normal(shift, 1, users))


def test_a_sample_has_no_distance_from_itself() -> None:
    column = normal(500)
    effect = Reference(column).effect(column)
    assert (effect.psi, effect.jensen_shannon, effect.wasserstein) == (0, 0, 0)


def test_psi_is_that_of_the_textbook() -> None:
    reference = Reference(pa.array(["a"] * 6000 + ["b"] * 4000))
    effect = reference.effect(pa.array(["a"] * 5000 + ["b"] * 5000))
    expected = (0.5 - 0.6) * np.log(0.5 / 0.6) + (0.5 - 0.4) * np.log(0.5 / 0.4)
    assert effect.psi == pytest.approx(expected, rel=1e-3)
    assert effect.wasserstein is None


def test_wasserstein_is_scipys_in_deviations_of_the_reference() -> None:
    before, now = normal(4000), normal(3000, 0.7)
    expected = wasserstein_distance(before.to_numpy(), now.to_numpy()) / before.to_numpy().std()
    assert Reference(before).effect(now).wasserstein == pytest.approx(expected, rel=0.01)


def test_equal_values_stay_in_one_bin() -> None:
    column = pa.array([0] * 900 + list(range(1, 101)))
    reference = Reference(column)
    assert reference.counts[0] == 900
    assert isinstance(reference.bins, NumberBins)
    assert len(reference.counts) <= 11
    assert reference.counts.sum() == 1000


def test_missing_values_have_a_bin_of_their_own() -> None:
    reference = Reference(pa.array([1.0, 2.0, 3.0, None] * 100))
    assert reference.counts[-1] == 100
    assert reference.effect(pa.array([None] * 400, pa.float64())).psi > 1
    assert reference.effect(pa.array([None] * 400, pa.float64())).wasserstein is None


def test_a_value_that_the_reference_does_not_have_has_a_bin_of_its_own() -> None:
    reference = Reference(pa.array(["DSL"] * 500 + ["No"] * 500))
    assert list(reference.bins.counts(pa.array(["DSL", "Satellite", "Satellite", None]))) == [1, 0, 2, 1]


def test_a_constant_that_changes_shows() -> None:
    reference = Reference(pa.array([29.14] * 1000))
    assert reference.effect(pa.array([29.14] * 1000)).psi == 0
    for other in (0.0, 30.0):
        effect = reference.effect(pa.array([other] * 1000))
        assert effect.psi > 1
        assert effect.wasserstein == float("inf")


def test_the_order_of_rows_changes_no_bit() -> None:
    before, now = normal(3000), normal(2000, 0.3)
    shuffled = pa.array(CHANCE.permutation(now.to_numpy()))
    again = pa.array(CHANCE.permutation(before.to_numpy()))
    assert Reference(before).effect(now) == Reference(again).effect(shuffled)


def test_chance_alone_exceeds_the_threshold_in_one_run_of_a_hundred() -> None:
    features, runs, users = 14, 300, 120
    reference = Reference(normal(users))
    threshold = by_chance(reference.counts, users, features)
    assert threshold > SMALLEST_PSI  # so few users differ by chance more than is worth acting on
    shares = reference.counts / reference.counts.sum()
    alarms = 0
    for _ in range(runs):
        samples = [CHANCE.multinomial(users, shares) for _ in range(2 * features)]
        alarms += any(psi(samples[i], samples[i + 1]) > threshold for i in range(0, 2 * features, 2))
    assert alarms <= 12  # 1% of 300 are 3; more than 12 come once in 10,000


def test_many_users_act_from_the_smallest_effect_on() -> None:
    reference = Reference(normal(7000))
    assert by_chance(reference.counts, 7000, 32) < SMALLEST_PSI / 3
    assert of_feature(reference.counts, 7000, 32) == SMALLEST_PSI


def shift_of_psi(target: float) -> float:
    """The shift of a normal column by whose deciles the PSI is the target, by halving."""
    edges = norm.ppf(np.linspace(0, 1, 11))
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        p, q = np.diff(norm.cdf(edges)), np.diff(norm.cdf(edges - middle))
        low, high = (middle, high) if ((p - q) * np.log(p / q)).sum() < target else (low, middle)
    return low


def test_a_shift_of_psi_a_tenth_at_7000_users_is_found_in_95_of_100_months() -> None:
    shift = shift_of_psi(0.1)
    found_in = 0
    for _ in range(100):
        reference, now = Reference(normal(7000)), normal(7000, shift)
        found_in += reference.effect(now).psi > of_feature(reference.counts, 7000, 32)
    assert found_in >= 95
