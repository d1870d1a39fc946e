"""The table of decisions: the same decision is one row, however often and in whichever order it is recorded."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import date
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_stack.settings import Settings
from steps import warehouse
from steps.warehouse import Decision, RecordedDecision
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import execute, fetch

MODEL = "streamflow_churn"
FIGURES: dict[str, float | int | str | None] = {"AUC": 0.4895, "users": 1760, "verdict": "alarm", "AUC_low": None}
STOP = Decision("stop", "stopped", FEBRUARY, None, "10 columns are frozen", FIGURES, "rule: frozen", "a" * 64)
ROLLBACK = Decision("rollback", "rolled_back", None, None, "Back to version 1", {}, "Ann", "b" * 64)
KEY = ("kind", "as_of", "version", "inputs_sha256")
TEXT = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20)
DECISIONS = st.builds(
    Decision,
    kind=st.sampled_from(["stop", "gate", "rollback"]),
    outcome=TEXT,
    as_of=st.sampled_from([None, JANUARY, FEBRUARY]),
    version=st.sampled_from([None, "1", "2"]),
    reason=TEXT,
    figures=st.dictionaries(TEXT, st.none() | TEXT | st.integers(-(10**9), 10**9) | st.floats(-1, 1)),
    decided_by=TEXT,
    inputs_sha256=st.sampled_from(["a" * 64, "b" * 64]),
)

pytestmark = pytest.mark.usefixtures("newest_schema")


def recorded(model: str, as_of: date | None = None) -> list[Decision]:
    """Without the numbers and times of their rows."""
    return [plain(decision) for decision in warehouse.decisions(model, as_of)]


def plain(decision: RecordedDecision) -> Decision:
    return Decision(**{field.name: getattr(decision, field.name) for field in fields(Decision)})


def key_of(decision: Decision) -> tuple[Any, ...]:
    return tuple(getattr(decision, name) for name in KEY)


def test_decisions_come_back_as_they_were_recorded() -> None:
    assert [warehouse.record_decision(MODEL, decision) for decision in (STOP, ROLLBACK)] == [True, True]
    assert recorded(MODEL) == [STOP, ROLLBACK]
    first, second = warehouse.decisions(MODEL)
    assert first.id < second.id
    assert first.at <= second.at
    assert first.at.tzname() == "UTC"


def test_a_month_has_its_own_decisions() -> None:
    for decision in (STOP, replace(STOP, as_of=JANUARY), ROLLBACK):
        warehouse.record_decision(MODEL, decision)
    assert recorded(MODEL, FEBRUARY) == [STOP]


def test_each_model_has_its_own_decisions() -> None:
    warehouse.record_decision("another", STOP)
    assert warehouse.record_decision(MODEL, STOP)
    assert recorded(MODEL) == [STOP]


@pytest.mark.parametrize("decision", [STOP, ROLLBACK], ids=["of a month", "of no month and no version"])
def test_the_same_decision_is_recorded_once_and_stays_as_it_was(decision: Decision) -> None:
    assert warehouse.record_decision(MODEL, decision)
    assert not warehouse.record_decision(MODEL, replace(decision, reason="another", decided_by="Bob"))
    assert recorded(MODEL) == [decision]


def test_processes_that_record_the_same_at_once_make_one_row() -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: warehouse.record_decision(MODEL, ROLLBACK), range(16)))
    assert results.count(True) == len(recorded(MODEL)) == 1


def test_figures_without_a_value_are_null() -> None:
    warehouse.record_decision(MODEL, replace(STOP, figures={"AUC": math.nan, "bound": math.inf, "n": 0}))
    assert recorded(MODEL)[0].figures == {"AUC": None, "bound": None, "n": 0}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DECISIONS, max_size=12), st.integers(0, 10**9))
def test_any_order_of_decisions_leaves_the_first_of_each_key(decisions: list[Decision], number: int) -> None:
    model = f"model of example {number}"
    before = set(map(key_of, warehouse.decisions(model)))  # the same example may run again
    expected = {key_of(decision): decision for decision in reversed(decisions)}
    results = [warehouse.record_decision(model, decision) for decision in decisions]
    assert sum(results) == len(expected.keys() - before)
    if not before:
        assert recorded(model) == sorted(expected.values(), key=decisions.index)


@pytest.mark.parametrize(
    "change", ["UPDATE decisions SET decided_by = 'another'", "DELETE FROM decisions", "TRUNCATE decisions"]
)
def test_decisions_cannot_be_changed(change: str) -> None:
    warehouse.record_decision(MODEL, STOP)
    with pytest.raises(psycopg.errors.RaiseException, match="decisions is append-only"):
        execute(change)
    assert recorded(MODEL) == [STOP]


@pytest.mark.parametrize("part", ["kind", "outcome", "reason", "decided_by", "inputs_sha256"])
def test_a_decision_without_one_of_its_parts_is_refused(part: str) -> None:
    empty: dict[str, Any] = {part: ""}
    with pytest.raises(psycopg.errors.CheckViolation):
        warehouse.record_decision(MODEL, replace(STOP, **empty))


def test_a_database_without_the_table_has_no_decisions(empty_warehouse: Settings) -> None:
    execute("DROP TABLE decisions CASCADE")
    assert warehouse.decisions(MODEL) == []
    assert fetch("SELECT to_regclass('decisions')") == [(None,)]
