"""The gate's rules and its interval, on figures small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from steps import gate
from steps.gate import Evidence, Rival, Rules

RULES = Rules(min_gain=0.0, min_auc=0.7, force=False)
FORCE = Rules(min_gain=0.0, min_auc=0.7, force=True)


def against(production: float, candidate: float) -> Evidence:
    return Evidence([], candidate, Rival("3", production, candidate, -0.01, 0.02, 100), None)


def test_a_first_version_passes_on_its_auc_alone() -> None:
    assert gate.judge(Evidence([], 0.7, None, None), RULES).status == "passed"
    refused = gate.judge(Evidence([], 0.6999, None, None), RULES)
    assert (refused.status, refused.reason) == ("refused", "AUC 0.6999 is below min_auc 0.7")


@pytest.mark.parametrize(
    ("production", "candidate", "min_gain", "status"),
    [
        (0.80, 0.80, 0.0, "passed"),  # not worse is enough
        (0.80, 0.81, 0.0, "passed"),
        (0.80, 0.7999, 0.0, "refused"),
        (0.75, 0.76, 0.02, "refused"),
        (0.75, 0.78, 0.02, "passed"),
        (0.80, 0.79, -0.02, "passed"),
        (0.60, 0.69, 0.0, "refused"),  # better, and still not good
    ],
)
def test_a_candidate_has_to_be_better_by_min_gain_and_good_by_min_auc(
    production: float, candidate: float, min_gain: float, status: str
) -> None:
    verdict = gate.judge(against(production, candidate), Rules(min_gain, 0.7, force=False))
    assert verdict.status == status
    assert verdict.promotes == (status == "passed")


def test_all_objections_are_said_at_once() -> None:
    assert gate.judge(against(0.8, 0.6), RULES).reason == (
        "AUC 0.6000 is below min_auc 0.7; gain -0.2000 is below min_gain 0"
    )


def test_force_promotes_and_is_called_so_and_keeps_the_reason() -> None:
    verdict = gate.judge(against(0.8, 0.6), FORCE)
    assert (verdict.status, verdict.promotes) == ("forced", True)
    assert verdict.reason == gate.judge(against(0.8, 0.6), RULES).reason


def test_force_that_was_not_needed_is_not_called_forced() -> None:
    assert gate.judge(against(0.8, 0.8), FORCE).status == "passed"


def test_force_does_not_promote_a_version_with_a_defect() -> None:
    verdict = gate.judge(Evidence(["the model has no signature"], None, None, None), FORCE)
    assert (verdict.status, verdict.reason) == ("refused", "the model has no signature")


def test_a_production_that_cannot_be_scored_is_an_objection_that_can_be_forced() -> None:
    evidence = Evidence([], 0.9, None, "no comparison with Production: version 3 cannot be loaded")
    assert gate.judge(evidence, RULES).status == "refused"
    assert "version 3 cannot be loaded" in gate.judge(evidence, RULES).reason
    assert gate.judge(evidence, FORCE).status == "forced"


def test_both_figures_and_the_interval_are_shown() -> None:
    assert gate.shown(against(0.8, 0.81)) == (
        "AUC 0.8100 against 0.8000 of version 3 in Production on the same 100 rows: "
        "gain +0.0100 (95% interval -0.0100 to +0.0200)."
    )


def population(rows: int, seed: int = 1) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Truth, and two models of which the first sees more of it."""
    chance = np.random.default_rng(seed)
    truth = chance.random(rows) < 0.27
    return truth, truth + chance.normal(0, 0.8, rows), truth + chance.normal(0, 1.6, rows)


def test_the_interval_is_the_same_every_time() -> None:
    assert gate.gain_interval(*population(300)) == gate.gain_interval(*population(300))


def test_the_interval_of_a_model_with_itself_is_nothing() -> None:
    truth, model, _ = population(300)
    assert gate.gain_interval(truth, model, model) == (0.0, 0.0)


def test_the_interval_turns_its_sign_when_the_models_change_places() -> None:
    truth, better, worse = population(300)
    low, high = gate.gain_interval(truth, better, worse)
    assert 0 < low < gate.auc(truth, better) - gate.auc(truth, worse) < high
    assert gate.gain_interval(truth, worse, better) == pytest.approx((-high, -low))


def test_more_rows_make_the_interval_narrower_as_a_square_root_does() -> None:
    (low, high), (lower, higher) = (gate.gain_interval(*population(rows)) for rows in (400, 6400))
    assert (high - low) / (higher - lower) == pytest.approx(4, rel=0.35)


def test_the_interval_agrees_with_a_plain_loop_over_resampled_rows() -> None:
    truth, better, worse = population(400)
    chance, gains = np.random.default_rng(7), []
    classes = [np.flatnonzero(truth), np.flatnonzero(~truth)]
    for _ in range(600):
        drawn = np.concatenate([chance.choice(rows, len(rows)) for rows in classes])
        gains.append(roc_auc_score(truth[drawn], better[drawn]) - roc_auc_score(truth[drawn], worse[drawn]))
    assert gate.gain_interval(truth, better, worse) == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.012)


def test_draws_that_do_not_fit_into_memory_at_once_are_made_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gate.gain_interval(*population(200))
    monkeypatch.setattr(gate, "BLOCK_CELLS", 200 * 300)
    assert gate.gain_interval(*population(200)) == pytest.approx(whole, abs=0.01)


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40).filter(
        lambda rows: len({leaves for leaves, _, _ in rows}) == 2
    )
)
def test_a_weighted_auc_is_scikit_learns_whatever_ties_there_are(rows: list[tuple[bool, int, int]]) -> None:
    truth = np.array([leaves for leaves, _, _ in rows])
    score = np.array([value / 4 for _, value, _ in rows])
    counts = np.array([1.0 + more for _, _, more in rows])
    found = gate._Ranked(truth, score).aucs(counts[None, :])
    assert found == pytest.approx([roc_auc_score(truth, score, sample_weight=counts)])
