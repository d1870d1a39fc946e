"""Rules across two months: what is frozen, zero, new or missing is named; calm months are calm."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from steps.monitoring.across_months import check
from steps.monitoring.rows import Row
from steps.monitoring.samples import Pair, Sample
from tests.steps.states.calm import RULES, calm_months, with_column

JANUARY, FEBRUARY = date(2024, 1, 28), date(2024, 2, 28)


@pytest.fixture(scope="module")
def months() -> list[Sample]:
    return calm_months(42, 3, 3000)


def problems(before: Sample, now: Sample) -> dict[str, Row]:
    """By reason, the rows that are no ok."""
    return {row.reason: row for row in check(Pair(before, now), RULES) if row.verdict in ("watch", "alarm")}


def test_calm_months_break_no_rule(months: list[Sample]) -> None:
    assert problems(months[0], months[1]) == {}
    assert problems(months[1], months[2]) == {}
    assert problems(months[0], months[2]) == {}


def test_columns_that_may_stay_are_recorded_as_unchanged(months: list[Sample]) -> None:
    rows = check(Pair(months[0], months[1]), RULES)
    unchanged = {row.slice: row.estimate for row in rows if row.metric == "unchanged_share"}
    assert unchanged["net_service"] == unchanged["avg_session_mins_7d"] == 1
    assert unchanged["watch_hours_30d"] == 0
    assert set(unchanged) == set(RULES)


@pytest.mark.parametrize("name", ["watch_hours_30d", "skips_7d", "failed_payments_90d", "months_active"])
def test_a_frozen_column_is_named(months: list[Sample], name: str) -> None:
    pair = Pair(months[0], months[1])
    then = dict(zip(months[0].user_ids.to_pylist(), months[0].columns[name].to_pylist(), strict=True))
    users = zip(months[1].user_ids.to_pylist(), months[1].columns[name].to_pylist(), strict=True)
    frozen = pa.array([then.get(user, value) for user, value in users])
    alarms = problems(months[0], with_column(months[1], name, frozen))
    assert f"{name} is frozen: the same value as before for each of {pair.users:,} users" in alarms
    assert {row.verdict for row in alarms.values()} == {"alarm"}


def test_a_column_that_does_not_advance_by_one_is_named(months: list[Sample]) -> None:
    twice = pc.add(months[1].columns["months_active"], 1)
    [reason] = problems(months[0], with_column(months[1], "months_active", twice))
    assert reason.startswith("months_active must advance by 1 a month, and did for ")


def test_a_column_of_zeros_is_named(months: list[Sample]) -> None:
    zeros = pa.array(np.zeros(3000, dtype=np.int64))
    [reason] = problems(months[0], with_column(months[1], "support_tickets_90d", zeros))
    assert reason.startswith("support_tickets_90d is 0 for each of 3,000 users; it was for 7")


def test_a_rare_event_that_no_one_of_few_users_has_is_no_alarm(months: list[Sample]) -> None:
    few = [
        replace(month, user_ids=month.user_ids[:60], columns={k: v[:60] for k, v in month.columns.items()})
        for month in months
    ]
    rare = pa.array([1] + [0] * 59)
    none = pa.array([0] * 60)
    reasons = problems(
        with_column(few[0], "failed_payments_90d", rare), with_column(few[1], "failed_payments_90d", none)
    )
    assert reasons == {}


def test_a_new_category_is_named_with_its_users(months: list[Sample]) -> None:
    values = ["Satellite"] * 40 + months[1].columns["net_service"].to_pylist()[40:]
    problem = problems(months[0], with_column(months[1], "net_service", pa.array(values)))
    assert [*problem] == ["net_service has values that no user had before: 'Satellite' (40)"]


def test_missing_values_are_named(months: list[Sample]) -> None:
    values = [None] * 600 + months[1].columns["skips_7d"].to_pylist()[600:]
    problem = problems(months[0], with_column(months[1], "skips_7d", pa.array(values)))
    assert {row.verdict for row in problem.values()} == {"alarm"}
    assert [*problem] == ["skips_7d is missing for 20.0% of the users, 0.0% before"]


def test_66_times_the_users_are_named(months: list[Sample]) -> None:
    few = replace(
        months[0], user_ids=months[0].user_ids[:45], columns={k: v[:45] for k, v in months[0].columns.items()}
    )
    problem = problems(few, months[1])
    assert "3,000 users, where 2024-01-28 had 45" in problem
    assert problem["3,000 users, where 2024-01-28 had 45"].verdict == "alarm"


def test_other_users_are_named(months: list[Sample]) -> None:
    strangers = replace(months[1], user_ids=pa.array([f"new-{number}" for number in range(3000)]))
    reasons = problems(months[0], strangers)
    assert "3,000 of 3,000 users are gone" in reasons
    assert "3,000 of 3,000 users are new" in reasons


def test_the_number_of_elapsed_months_counts() -> None:
    before = Sample("training set", date(2023, 11, 30), pa.array(["a", "b"]), {"months_active": pa.array([0, 5])})
    now = Sample("", date(2024, 2, 29), pa.array(["b", "c"]), {"months_active": pa.array([8, 1])})
    pair = Pair(before, now)
    assert pair.months == 3
    expected, actual = pair.expected("months_active", 1)
    assert (expected.to_pylist(), actual.to_pylist()) == ([8.0], [8.0])
