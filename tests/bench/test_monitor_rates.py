"""The simulation behind docs/monitor-error-rates.md: calm months are calm, and every fault is found in each."""

from collections.abc import Sequence

import pytest

from bench.monitor_rates.faults import CASES, Case, finds
from bench.monitor_rates.months import subjects
from steps.monitoring.assessment import Subject, assess
from steps.monitoring.verdict import judge


@pytest.fixture(scope="module")
def months() -> Sequence[Subject]:
    return list(subjects(seed=101, months=4, users=4000))


def test_calm_months_raise_no_alarm(months: Sequence[Subject]) -> None:
    assert [judge(assess(month)).verdict for month in months].count("alarm") == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text)
def test_a_fault_is_found_in_every_month(months: Sequence[Subject], case: Case) -> None:
    assert [finds(case, month) for month in months] == [True] * 4
    assert not any(finds(Case(lambda month: month, case.metric, case.of, ""), month) for month in months)
