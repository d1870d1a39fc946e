"""Which counts are a reason to turn back, and which are not."""

import pytest

from configuration.answer_report import AnswerCounts
from rollout.probation.judgement import objection
from rollout.settings import load_settings

SETTINGS = load_settings({"PROBATION_ANSWERS": 50, "PROBATION_FAILED": 0.05, "PROBATION_LATENCY_S": 0.5})
NONE = AnswerCounts()
GOOD = AnswerCounts(answers=90_000, failed=90, calls=9_000, failed_calls=9, seconds=90.0)


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        (AnswerCounts(412, 30, 100, 20, 1.0), NONE, "7.3% of 412 answers failed"),
        (AnswerCounts(412, 30, 100, 20, 1.0), GOOD, "7.3% of 412 answers failed, 0.1% before"),
        (AnswerCounts(60, 0, 20, 0, 16.8), NONE, "60 answers took 0.84 s on average"),
        (AnswerCounts(60, 0, 20, 0, 16.8), GOOD, "60 answers took 0.84 s on average, 0.01 s before"),
        (AnswerCounts(50, 50, 3, 3, 6.0), NONE, "100.0% of 50 answers failed"),
    ],
)
def test_a_share_of_failures_or_a_time_above_its_bound_is_a_reason(
    new: AnswerCounts, old: AnswerCounts, reason: str
) -> None:
    assert objection(new, old, SETTINGS) == reason


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (NONE, GOOD),
        (AnswerCounts(49, 49, 49, 49, 98.0), GOOD),  # too few answers
        (AnswerCounts(64, 64, 1, 1, 2.0), GOOD),  # one slow call for many users
        (AnswerCounts(128, 128, 2, 2, 4.0), GOOD),
        (AnswerCounts(100, 5, 100, 5, 1.0), GOOD),  # just the bound
        (AnswerCounts(100, 40, 100, 40, 1.0), AnswerCounts(100, 40, 100, 40, 1.0)),  # as bad as the old version
        (AnswerCounts(100, 0, 100, 0, 80.0), AnswerCounts(100, 0, 100, 0, 45.0)),  # on a busy machine
        (AnswerCounts(1000, 0, 1000, 0, 400.0), GOOD),  # slower, but fast enough
    ],
)
def test_what_is_no_evidence_is_no_reason(new: AnswerCounts, old: AnswerCounts) -> None:
    assert objection(new, old, SETTINGS) is None
