"""The measured profit of a campaign's lists: the newest one that could be measured, gone with its month."""

from pathlib import Path

import psycopg
import pytest

from steps import remove_month, warehouse
from steps.runs.entry_points import arguments
from steps.warehouse import Campaign
from tests.conftest import JANUARY
from tests.steps.states.database import execute, fetch

PROFIT = {"users": 60, "curve": [[0.01, 2.0, 1.0], [1.0, -3.0, -3.0]]}


def of_run(number: int) -> Campaign:
    return Campaign("spring", JANUARY, "3", str(number) * 32)


def test_the_newest_measured_profit_is_read_until_its_month_is_removed(january: Path, tracking: str) -> None:
    assert warehouse.newest_profit("spring") is None
    warehouse.record_profit(of_run(1), None)
    newest = warehouse.newest_profit("spring")
    assert newest is not None
    assert (newest.run_id, newest.version, newest.profit) == ("1" * 32, "3", None)

    warehouse.record_profit(of_run(2), PROFIT)
    warehouse.record_profit(of_run(3), None)
    newest = warehouse.newest_profit("spring")
    assert newest is not None
    assert (newest.run_id, newest.profit) == ("2" * 32, PROFIT)
    assert warehouse.newest_profit("summer") is None

    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        execute("UPDATE campaign_profits SET version = '4'")
    remove_month.main(arguments("remove_month", {"as_of": str(JANUARY), "apply": "true"}))
    assert fetch("SELECT count(*) FROM campaign_profits") == [(0,)]
