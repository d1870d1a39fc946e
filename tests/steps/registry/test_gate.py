"""The gate's rules and its interval, on figures small enough to check by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from steps.registry.examination import gate, interval
from steps.registry.examination.gate import Comparison, Evidence
from steps.registry.examination.interval import Rows
from steps.registry.examination.rules import Rules

RULES = Rules(
    "better", min_gain=0.0, margin=0.01, min_auc=0.7, min_users=20, allow_older=False, months="pool", force=False
)
FORCE = replace(RULES, force=True)
NOT_WORSE = replace(RULES, rule="not_worse")


def against(production: float, candidate: float, half: float = 0.01) -> Evidence:
    """half: the distance of both ends of the interval from the gain."""
    gain = candidate - production
    left_out = {"trained_on_by_production": 8, "category_unknown_to_production": 0}
    comparison = Comparison(
        "3", production, candidate, gain - half, gain + half, 110, 100, ("2024-02-29", "2024-01-31"), left_out
    )
    return Evidence([], candidate, comparison, None)


def test_a_first_version_passes_on_its_auc_alone() -> None:
    assert gate.judge(Evidence([], 0.7, None, None), RULES).status == "passed"
    refused = gate.judge(Evidence([], 0.6999, None, None), RULES)
    assert (refused.status, refused.reason) == ("refused", "AUC 0.6999 is below min_auc 0.7")


@pytest.mark.parametrize(
    ("production", "candidate", "min_gain", "status"),
    [
        (0.80, 0.80, 0.0, "refused"),  # equal is not better
        (0.80, 0.81 - 1e-9, 0.0, "refused"),  # higher, and the interval holds 0
        (0.80, 0.81 + 1e-9, 0.0, "passed"),
        (0.75, 0.779, 0.02, "refused"),
        (0.75, 0.781, 0.02, "passed"),
        (0.80, 0.791, -0.02, "passed"),
        (0.60, 0.69, 0.0, "refused"),  # better, but below min_auc
    ],
)
def test_better_requires_the_whole_interval_above_min_gain(
    production: float, candidate: float, min_gain: float, status: str
) -> None:
    verdict = gate.judge(against(production, candidate), replace(RULES, min_gain=min_gain))
    assert verdict.status == status
    assert verdict.promotes == (status == "passed")


@pytest.mark.parametrize(
    ("candidate", "margin", "half", "status"),
    [
        (0.80, 0.01, 0.0099, "passed"),
        (0.80, 0.01, 0.0101, "refused"),  # equal, but possibly worse by more than the margin
        (0.795, 0.01, 0.004, "passed"),
        (0.789, 0.01, 0.0001, "refused"),
        (0.80, 0.0, 0.0, "refused"),
    ],
)
def test_not_worse_requires_the_whole_interval_above_minus_the_margin(
    candidate: float, margin: float, half: float, status: str
) -> None:
    evidence = against(0.80, candidate, half)
    assert gate.judge(evidence, replace(NOT_WORSE, margin=margin)).status == status


def test_not_worse_ignores_min_gain_and_better_ignores_the_margin() -> None:
    assert gate.judge(against(0.8, 0.8, 0.001), replace(NOT_WORSE, min_gain=0.5)).status == "passed"
    assert gate.judge(against(0.8, 0.8, 0.001), replace(RULES, margin=0.5)).status == "refused"


def test_a_verdict_names_its_rule_and_both_ends() -> None:
    assert gate.judge(against(0.8, 0.82), RULES).reason == (
        "rule better: the lower end of the gain's interval, +0.0100, is above min_gain 0; and the AUC is at least 0.7"
    )
    assert gate.judge(against(0.8, 0.79), NOT_WORSE).reason == (
        "rule not_worse: the lower end of the gain's interval, -0.0200, is not above -0.01, the margin"
    )


def test_a_reason_has_all_objections() -> None:
    assert gate.judge(against(0.8, 0.6), RULES).reason == (
        "AUC 0.6000 is below min_auc 0.7; "
        "rule better: the lower end of the gain's interval, -0.2100, is not above min_gain 0"
    )


def test_a_forced_verdict_promotes_and_keeps_the_reason() -> None:
    verdict = gate.judge(against(0.8, 0.6), FORCE)
    assert (verdict.status, verdict.promotes) == ("forced", True)
    assert verdict.reason == gate.judge(against(0.8, 0.6), RULES).reason


def test_unneeded_force_is_not_called_forced() -> None:
    assert gate.judge(against(0.8, 0.82), FORCE).status == "passed"


def test_force_does_not_override_a_blocking_issue() -> None:
    verdict = gate.judge(Evidence(["the model has no signature"], None, None, None), FORCE)
    assert (verdict.status, verdict.reason) == ("refused", "the model has no signature")


def test_force_overrides_a_missing_comparison() -> None:
    evidence = Evidence([], 0.9, None, "no comparison with Production: version 3 cannot be loaded")
    assert gate.judge(evidence, RULES).status == "refused"
    assert "version 3 cannot be loaded" in gate.judge(evidence, RULES).reason
    assert gate.judge(evidence, FORCE).status == "forced"


def test_an_older_month_is_an_objection_unless_it_is_allowed() -> None:
    older = replace(against(0.8, 0.9), older="it was trained on 2024-01-31, older than 2024-02-29 of version 3")
    assert gate.judge(older, RULES).reason == (
        "it was trained on 2024-01-31, older than 2024-02-29 of version 3. To allow it: -P allow_older=true"
    )
    assert gate.judge(older, replace(RULES, allow_older=True)).status == "passed"


def test_the_text_has_both_figures_the_interval_and_the_rows() -> None:
    assert gate.figures_text(against(0.8, 0.81)) == (
        "AUC 0.8100 against 0.8000 of version 3 in Production on the same 110 rows of 100 users that neither was "
        "trained on (2024-02-29, 2024-01-31): gain +0.0100 (95% interval +0.0000 to +0.0200). "
        "Rows left out: 8 trained on by production."
    )


@pytest.mark.parametrize(
    ("leaving", "staying", "enough"), [(2, 18, True), (1, 19, False), (18, 2, True), (2, 17, False), (10, 10, True)]
)
def test_too_few_users_are_no_comparison(leaving: int, staying: int, enough: bool) -> None:
    truth = np.arange(leaving + staying) < leaving
    few = gate.too_few(Rows.of_one_month(truth, truth.astype(float), truth.astype(float)), min_users=20)
    assert (few is None) == enough
    if few is not None:
        assert f"{leaving + staying} users ({leaving} leaving, {staying} staying) can be compared" in few
        assert "min_users 20 requires 20 users and 2 of each class" in few


def population(rows: int, seed: int = 1) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Labels, and the scores of a better and a worse model."""
    chance = np.random.default_rng(seed)
    truth = chance.random(rows) < 0.27
    return truth, truth + chance.normal(0, 0.8, rows), truth + chance.normal(0, 1.6, rows)


def gain_interval(
    truth: NDArray[np.bool_], candidate: NDArray[np.float64], production: NDArray[np.float64]
) -> tuple[float, float]:
    """Of one month, with one row per user."""
    return interval.gain_interval(Rows.of_one_month(truth, candidate, production))


def test_the_interval_is_the_same_every_time() -> None:
    assert gain_interval(*population(300)) == gain_interval(*population(300))


def test_the_interval_of_a_model_with_itself_is_zero() -> None:
    truth, model, _ = population(300)
    assert gain_interval(truth, model, model) == (0.0, 0.0)


def test_swapping_the_models_changes_the_intervals_sign() -> None:
    truth, better, worse = population(300)
    low, high = gain_interval(truth, better, worse)
    assert 0 < low < interval.auc(truth, better) - interval.auc(truth, worse) < high
    assert gain_interval(truth, worse, better) == pytest.approx((-high, -low))


def test_more_rows_make_the_interval_narrower_as_a_square_root_does() -> None:
    (low, high), (lower, higher) = (gain_interval(*population(rows)) for rows in (400, 6400))
    assert (high - low) / (higher - lower) == pytest.approx(4, rel=0.35)


def test_the_interval_agrees_with_a_plain_loop_over_resampled_rows() -> None:
    truth, better, worse = population(400)
    chance, gains = np.random.default_rng(7), []
    classes = [np.flatnonzero(truth), np.flatnonzero(~truth)]
    for _ in range(600):
        drawn = np.concatenate([chance.choice(rows, len(rows)) for rows in classes])
        gains.append(roc_auc_score(truth[drawn], better[drawn]) - roc_auc_score(truth[drawn], worse[drawn]))
    assert gain_interval(truth, better, worse) == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.012)


def test_draws_beyond_the_memory_limit_are_made_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gain_interval(*population(200))
    monkeypatch.setattr(interval, "BLOCK_CELLS", 200 * 300)
    assert gain_interval(*population(200)) == pytest.approx(whole, abs=0.01)


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40).filter(
        lambda rows: len({leaves for leaves, _, _ in rows}) == 2
    )
)
def test_a_weighted_auc_with_ties_equals_scikit_learns(rows: list[tuple[bool, int, int]]) -> None:
    truth = np.array([leaves for leaves, _, _ in rows])
    score = np.array([value / 4 for _, value, _ in rows])
    counts = np.array([1.0 + more for _, _, more in rows])
    aucs = interval.Ranked(truth, score).aucs(counts[None, :])
    assert aucs == pytest.approx([roc_auc_score(truth, score, sample_weight=counts)])
