"""A made-up year in which four months are wrong: each fault is named in its month, and the other months are calm."""

from collections.abc import Mapping

import pytest

from bench.monitor_rates.faults import frozen, many_more_users, prices, zeros
from bench.monitor_rates.months import subjects
from steps.monitoring.assessment import assess
from steps.monitoring.verdict import Judgement, judge

USERS = 1500
FAULTS = {3: zeros, 5: frozen, 7: prices, 10: many_more_users}


@pytest.fixture(scope="module")
def year() -> Mapping[int, Judgement]:
    """The verdict on each month after the training month, which is month 0."""
    verdicts = {}
    for number, month in enumerate(subjects(seed=7, months=11, users=USERS), start=1):
        put_in = FAULTS.get(number, lambda calm: calm)
        verdicts[number] = judge(assess(put_in(month)))
    return verdicts


def test_only_the_wrong_months_are_no_calm_ones(year: Mapping[int, Judgement]) -> None:
    assert {number for number, judgement in year.items() if judgement.verdict == "alarm"} == {3, 5, 10}
    assert {number for number, judgement in year.items() if judgement.verdict == "watch"} == {7}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (3, f"support_tickets_90d is 0 for each of {USERS:,} users; it was for "),
        (5, "skips_7d is frozen: the same value as before for each of "),
        (7, "monthly_fee drifted against month before, 2024-07-28: PSI "),
        (10, f"{USERS:,} users, where 2024-10-28 had {USERS // 66:,}"),
    ],
)
def test_a_fault_is_named_in_its_month(year: Mapping[int, Judgement], number: int, reason: str) -> None:
    assert [text for text in year[number].reasons if text.startswith(reason)], year[number].reasons
