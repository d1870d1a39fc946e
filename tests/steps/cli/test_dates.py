"""A day that is hardly meant is questioned before anything is loaded, and taken when it is confirmed."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from steps import ingest as step
from steps.cli import dates
from steps.cli.errors import BadParameter
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.states.database import fetch, last_run

SLIP = date(2042, 6, 30)

Ingest = Callable[[Path, date], None]


def test_a_day_after_today_is_questioned_with_the_newest_month_and_the_word_to_say() -> None:
    tomorrow = dates.today() + timedelta(days=1)
    question = rf"as_of {tomorrow} is after today.*newest loaded month is 2024-01-31.*-P confirm_date=true"
    with pytest.raises(BadParameter, match=question):
        dates.require_likely(tomorrow, [JANUARY])
    with pytest.raises(BadParameter, match="No month is loaded"):
        dates.require_likely(tomorrow, [])
    dates.require_likely(dates.today(), [])


@pytest.mark.parametrize("days", [93, -93])
def test_a_day_far_from_every_month_is_questioned(days: int) -> None:
    dates.require_likely(JANUARY + timedelta(days=days - days // abs(days)), [JANUARY])
    with pytest.raises(BadParameter, match=r"more than 92 days from every loaded month.*confirm_date=true"):
        dates.require_likely(JANUARY + timedelta(days=days), [JANUARY])


def test_a_day_near_any_month_and_a_month_that_is_there_are_not_questioned() -> None:
    old = JANUARY - timedelta(days=3000)
    dates.require_likely(old + timedelta(days=31), [old, JANUARY])
    dates.require_likely(SLIP, [JANUARY, SLIP])


def test_a_slip_loads_nothing_until_it_is_confirmed(january: Path, ingest: Ingest, tracking: str) -> None:
    with pytest.raises(BadParameter, match="as_of 2042-06-30 is after today"):
        ingest(january, SLIP)
    assert fetch("SELECT as_of::date FROM months") == [(JANUARY,)]
    assert last_run("ingest", tracking).info.status == "FAILED"
    parameters = {"month_dir": str(january), "as_of": str(SLIP), "confirm_date": "true"}
    step.main(arguments("ingest", parameters))
    assert fetch("SELECT as_of::date FROM months ORDER BY 1") == [(JANUARY,), (SLIP,)]


def test_a_first_month_of_long_ago_is_not_questioned() -> None:
    dates.require_likely(date(1999, 12, 31), [])


def test_nobody_knows_a_value_after_today() -> None:
    with pytest.raises(BadParameter, match="known_at 2042-06-30 is after today"):
        dates.require_knowable(JANUARY, SLIP)
    dates.require_knowable(SLIP, SLIP)
