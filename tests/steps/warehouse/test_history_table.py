"""The table of cutovers."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from local_stack.settings import Settings
from steps import warehouse
from steps.warehouse import Cutover

MODEL = "streamflow_churn"
MORNING = datetime(2024, 2, 1, 8, tzinfo=UTC)
FIRST = Cutover(MORNING, "1", "run-1", "sha-1", None, "first")
SECOND = Cutover(MORNING + timedelta(hours=1), "2", "run-2", "sha-2", "1", "promotion")


@pytest.fixture
def two_cutovers(empty_warehouse: Settings) -> None:
    warehouse.apply_schema()
    warehouse.record_cutover(MODEL, SECOND)
    warehouse.record_cutover(MODEL, FIRST)


def test_cutovers_come_back_in_the_order_of_time(two_cutovers: None) -> None:
    assert warehouse.cutovers(MODEL) == [FIRST, SECOND]


def test_each_model_has_its_own_history(two_cutovers: None) -> None:
    assert warehouse.cutovers("another") == []


@pytest.mark.parametrize(
    "change",
    ["UPDATE serving_history SET version = '9'", "DELETE FROM serving_history", "TRUNCATE serving_history"],
)
def test_history_cannot_be_changed(two_cutovers: None, change: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), warehouse.transaction() as cur:
        cur.execute(change)
    assert warehouse.cutovers(MODEL) == [FIRST, SECOND]


def test_a_cutover_says_why(empty_warehouse: Settings) -> None:
    warehouse.apply_schema()
    with pytest.raises(psycopg.errors.CheckViolation):
        warehouse.record_cutover(MODEL, Cutover(MORNING, "1", None, None, None, ""))
