"""Whether a month leads to a new training."""

from dataclasses import replace

import pytest

from steps.chain.retraining import Situation, decide
from tests.conftest import FEBRUARY, JANUARY

ALARM = Situation(FEBRUARY, FEBRUARY, "alarm", asks=True, learnt_from=FEBRUARY, is_new=True, version="1")


@pytest.mark.parametrize(
    ("option", "now", "retrain", "rule"),
    [
        ("auto", ALARM, True, "verdict"),
        ("auto", replace(ALARM, verdict="watch", asks=False), False, "verdict"),
        ("auto", replace(ALARM, learnt_from=None), False, "no labels"),
        ("auto", replace(ALARM, learnt_from=JANUARY, is_new=False), False, "nothing new"),
        ("auto", replace(ALARM, as_of=JANUARY), False, "late month"),
        ("always", replace(ALARM, asks=False, is_new=False), True, "retrain=always"),
        ("always", replace(ALARM, learnt_from=None), False, "no labels"),
        ("never", ALARM, False, "retrain=never"),
    ],
)
def test_the_first_rule_that_applies_decides(option: str, now: Situation, retrain: bool, rule: str) -> None:
    decision = decide(option, now)
    assert (decision.retrain, decision.rule) == (retrain, rule)
    assert decision.outcome == ("retrained" if retrain else "kept")


def test_the_reason_names_month_and_version() -> None:
    assert decide("auto", ALARM).sentence == "A new training on 2024-02-29: the verdict on 2024-02-29 asks for it"
    kept = decide("auto", replace(ALARM, learnt_from=JANUARY, is_new=False))
    assert kept.sentence == "Version 1 stays: it was trained on 2024-01-31, and no later month has labels"
