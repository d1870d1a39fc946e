"""What was known when: corrections that became known later, and training sets of days before and after."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from local_stack.settings import Settings
from steps import ingest as step
from steps import warehouse
from steps.cli.errors import BadParameter
from steps.features import lake
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.states.database import contents, execute, fetch
from tests.steps.states.months import FILES, with_cell, without_line, write_month

LATER, LATER_STILL = date(2024, 2, 10), date(2024, 2, 20)
ALL = "SELECT user_id, failed_payments_90d, created_at::date FROM payments_agg_90d_versions ORDER BY 1, 3"
NOW = "SELECT user_id, failed_payments_90d, created_at::date FROM payments_agg_90d_snapshots ORDER BY 1"

Load = Callable[[dict[str, str], date | None], None]


@pytest.fixture
def load(january: Path) -> Load:
    """Loads January with some of its files changed, known from a day on; january_loaded as it was before."""

    def run(changed: dict[str, str], known_at: date | None) -> None:
        folder = write_month(january, {**FILES, **changed})
        step.main(
            arguments("ingest", {"month_dir": str(folder), "as_of": str(JANUARY), "known_at": str(known_at or "")})
        )

    return run


def annas_payments(value: int) -> dict[str, str]:
    return {"payments_agg_90d": with_cell(FILES["payments_agg_90d"], 2, "failed_payments_90d", str(value))}


def of_anna(query: str) -> list[tuple[int, date]]:
    return [(value, day) for user, value, day in fetch(query) if user == "anna"]


def test_what_a_month_says_is_known_from_its_day_on_however_late_it_is_loaded(load: Load) -> None:
    assert {day for _user, _value, day in fetch(ALL)} == {JANUARY}


def test_a_correction_without_a_day_replaces_what_was_known(load: Load) -> None:
    load(annas_payments(7), None)
    assert of_anna(ALL) == [(7, JANUARY)]


def test_a_later_correction_is_what_holds_and_leaves_what_was_known_before(load: Load) -> None:
    load(annas_payments(7), LATER)
    load(annas_payments(9), LATER_STILL)
    assert of_anna(NOW) == [(9, LATER_STILL)]
    assert of_anna(ALL) == [(1, JANUARY), (7, LATER), (9, LATER_STILL)]
    assert [user for user, _value, _day in fetch(ALL)].count("ben") == 1


def test_a_later_correction_loaded_twice_changes_nothing(load: Load) -> None:
    load(annas_payments(7), LATER)
    before, versions = contents(), fetch(ALL)
    load(annas_payments(7), LATER)
    assert contents() == before
    assert fetch(ALL) == versions


def test_a_load_is_the_last_word_on_its_day_and_all_later_ones(load: Load) -> None:
    load(annas_payments(7), LATER)
    load(annas_payments(9), LATER_STILL)
    load(annas_payments(8), LATER)
    assert of_anna(ALL) == [(1, JANUARY), (8, LATER)]
    load({}, None)
    assert of_anna(ALL) == [(1, JANUARY)]


def test_a_corrected_value_that_was_known_from_the_start_loses_its_later_day(load: Load) -> None:
    load(annas_payments(7), LATER)
    load(annas_payments(7), None)
    assert of_anna(ALL) == [(7, JANUARY)]


def test_a_row_that_comes_late_is_known_from_that_day_on(load: Load) -> None:
    load({"payments_agg_90d": without_line(FILES["payments_agg_90d"], 2)}, None)
    load({}, LATER)
    assert of_anna(ALL) == [(1, LATER)]


def test_a_row_that_is_withdrawn_later_was_known_until_then(load: Load) -> None:
    load({"payments_agg_90d": without_line(FILES["payments_agg_90d"], 2)}, LATER)
    assert of_anna(NOW) == []
    assert of_anna(ALL) == [(1, JANUARY)]


def test_what_was_known_is_part_of_the_months_fingerprint(load: Load) -> None:
    without_anna = {"payments_agg_90d": without_line(FILES["payments_agg_90d"], 2)}
    load(without_anna, LATER)
    withdrawn_later = warehouse.month_fingerprint(JANUARY)
    load(without_anna, None)
    assert warehouse.month_fingerprint(JANUARY) != withdrawn_later, "the same snapshot, but another training set"


def test_nobody_knows_a_month_before_its_end(load: Load) -> None:
    with pytest.raises(BadParameter, match="known_at 2024-01-30 is before as_of 2024-01-31"):
        load({}, date(2024, 1, 30))


def test_a_warehouse_from_before_there_were_versions_is_brought_up_to_date(
    january: Path, ingest: Callable[[Path, date], None], server: Settings
) -> None:
    execute("DROP VIEW support_agg_90d, support_agg_90d_versions; DROP TABLE support_agg_90d_superseded")
    execute("ALTER TABLE support_agg_90d_snapshots DROP COLUMN created_at; DROP TABLE schema_migrations")
    ingest(january, JANUARY)
    assert {row[0] for row in fetch("SELECT created_at::date FROM support_agg_90d_versions")} == {JANUARY}


def test_a_version_that_is_forgotten_goes_from_the_lake_too(load: Load) -> None:
    """The later load took anna's row away, so that the last one changes nothing but what is forgotten."""
    without_anna = {"payments_agg_90d": without_line(FILES["payments_agg_90d"], 2)}
    load(without_anna, LATER)
    assert of_anna(ALL) == [(1, JANUARY)]
    load(without_anna, None)
    assert of_anna(ALL) == []
    lake.require_month(JANUARY)
