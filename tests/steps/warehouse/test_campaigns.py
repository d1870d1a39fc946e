"""The table of campaigns: made once, never changed, gone with a user or a month; and what became of the groups."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from steps import erase_user, ingest, remove_month, warehouse
from steps.runs.entry_points import arguments
from steps.warehouse.records import campaigns
from steps.warehouse.records.campaigns import CONTROL, LISTED, Campaign
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import execute, fetch

RUN = "0" * 32
REASONS = '["plan=a,\\"b\\" (+0.5000)", "tab\\tand\\\\ (-0.1000)"]'
"""JSON with what CSV and JSON escape"""


def users(*rows: tuple[str, str, float]) -> pa.Table:
    """user_id, role and expected gain."""
    ids, roles, gains = zip(*rows, strict=True)
    columns = {"user_id": ids, "role": roles, "probability": [0.5] * len(rows), "expected_gain": gains}
    reasons = [REASONS if role == LISTED else "[]" for role in roles]
    return pa.table({**{name: list(values) for name, values in columns.items()}, "reasons": reasons})


def campaign(name: str = "spring", as_of: date = JANUARY) -> Campaign:
    return Campaign(name, as_of, "3", RUN)


def rows() -> list[tuple[object, ...]]:
    return fetch("SELECT campaign, user_id, role FROM campaigns ORDER BY campaign, user_id")


def assert_counted() -> None:
    """campaign_gains says what the campaigns are."""
    own = fetch("SELECT campaign, role, count(*), sum(expected_gain) FROM campaigns GROUP BY 1, 2 ORDER BY 1, 2")
    counted = fetch(
        "SELECT campaign, role, sum(users)::bigint, sum(gain) FROM campaign_gains GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert [row[:3] for row in counted] == [row[:3] for row in own]
    assert [row[3] for row in counted] == pytest.approx([row[3] for row in own])


def test_a_campaign_is_recorded_in_the_order_of_its_gains(january: Path) -> None:
    recorded = warehouse.record_campaign(
        campaign(), users(("bob", LISTED, 2.0), ("ann", LISTED, 3.0), ("=zoe", CONTROL, 4.0), (",", LISTED, 2.0))
    )
    assert recorded == warehouse.recorded_campaign("spring")
    assert recorded is not None
    assert recorded.origin == campaign()
    assert recorded.users["user_id"].to_pylist() == ["ann", ",", "bob", "=zoe"]
    assert recorded.users["role"].to_pylist() == [LISTED] * 3 + [CONTROL]
    assert recorded.users["expected_gain"].to_pylist() == [3.0, 2.0, 2.0, 4.0]
    reasons = [json.loads(text) for text in recorded.users["reasons"].to_pylist()]
    assert reasons == [['plan=a,"b" (+0.5000)', "tab\tand\\ (-0.1000)"]] * 3 + [[]]


def test_a_campaign_is_made_once(january: Path) -> None:
    first = warehouse.record_campaign(campaign(), users(("ann", LISTED, 3.0)))
    again = warehouse.record_campaign(Campaign("spring", FEBRUARY, "4", "1" * 32), users(("bob", LISTED, 3.0)))
    assert again == first
    assert rows() == [("spring", "ann", LISTED)]
    warehouse.record_campaign(campaign("summer"), users(("bob", LISTED, 3.0)))
    assert rows() == [("spring", "ann", LISTED), ("summer", "bob", LISTED)]


@pytest.fixture
def waiting_for_the_disk() -> Iterator[None]:
    """As in a stack. The tests' server does not wait, and marks no row visible that may not be on the disk yet."""
    execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
    yield
    execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")


def test_an_index_alone_answers_as_soon_as_a_campaign_is_recorded(january: Path, waiting_for_the_disk: None) -> None:
    warehouse.record_campaign(campaign(), users(*((f"user-{nth}", LISTED, 1.0 + nth) for nth in range(100))))
    [[visible, pages]] = fetch("SELECT relallvisible, relpages FROM pg_class WHERE oid = 'campaigns'::regclass")
    assert visible == pages > 0


def test_a_campaign_of_nobody_is_none(january: Path) -> None:
    assert warehouse.record_campaign(campaign(), users(("ann", LISTED, 3.0)).slice(0, 0)) is None
    assert warehouse.recorded_campaign("spring") is None


@pytest.mark.parametrize(
    "change", ["UPDATE campaigns SET role = 'control'", "DELETE FROM campaigns", "TRUNCATE campaigns"]
)
def test_rows_are_never_changed(january: Path, change: str) -> None:
    warehouse.record_campaign(campaign(), users(("ann", LISTED, 3.0)))
    with pytest.raises(psycopg.errors.RaiseException, match="campaigns is append-only"):
        execute(change)
    assert rows() == [("spring", "ann", LISTED)]


@pytest.mark.parametrize("row", [("ann", "both", 1.0), ("ann", LISTED, 0.0), ("ann", CONTROL, -1.0)])
def test_a_wrong_row_is_refused(january: Path, row: tuple[str, str, float]) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        warehouse.record_campaign(campaign(), users(row))
    assert rows() == []


def test_an_erased_user_goes_from_campaigns_and_never_comes_back(january: Path, tracking: str) -> None:
    listed = users(("ann", LISTED, 3.0), ("bob", CONTROL, 2.0))
    warehouse.record_campaign(campaign(), listed)
    assert_counted()
    erase_user.main(arguments("erase_user", {"user_id": "ann"}))
    assert rows() == [("spring", "bob", CONTROL)]
    assert_counted()
    recorded = warehouse.record_campaign(campaign("summer"), listed)
    assert recorded is not None
    assert recorded.users["user_id"].to_pylist() == ["bob"]


def test_a_campaign_goes_with_its_month(january: Path, tracking: str) -> None:
    warehouse.record_campaign(campaign(), users(("ann", LISTED, 3.0)))
    assert warehouse.month_rows(JANUARY)["campaigns"] == 1
    remove_month.main(arguments("remove_month", {"as_of": str(JANUARY), "apply": "true"}))
    assert rows() == []


@pytest.fixture
def february(january: Path, february_folder: Path) -> Callable[[], None]:
    """A function that loads February."""
    return lambda: ingest.main(arguments("ingest", {"month_dir": str(february_folder), "as_of": str(FEBRUARY)}))


def test_the_gains_of_a_list_are_counted_in_chunks(january: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "CHUNK_USERS", 7)
    gains = [0.001 * 1.7**number for number in range(30)]
    listed = [(f"user-{number}", CONTROL if number % 5 == 0 else LISTED, gain) for number, gain in enumerate(gains)]
    warehouse.record_campaign(campaign(), users(*listed))
    assert_counted()
    counted = warehouse.campaign_gains("spring")
    assert (counted.listed, counted.control) == (24, 6)
    best = sorted((gain for _user, role, gain in listed if role == LISTED), reverse=True)
    assert [users for users, _gain in counted.curve] == list(range(1, 25))
    assert [gain for _users, gain in counted.curve] == pytest.approx([sum(best[:size]) for size in range(1, 25)])


def test_outcomes_are_those_of_the_next_months_labels(february: Callable[[], None]) -> None:
    """anna and ben stay, cara is gone; dora, who is new, stands for another listed user."""
    recorded = users(("anna", LISTED, 3.0), ("ben", CONTROL, 2.0), ("cara", LISTED, 2.0), ("dora", LISTED, 1.0))
    warehouse.record_campaign(campaign(), recorded)
    assert warehouse.campaign_outcomes(FEBRUARY) == []
    february()
    execute("UPDATE labels SET churn_label = true WHERE period_start = '2024-02-29'")
    execute("DELETE FROM labels WHERE period_start = '2024-02-29' AND user_id = 'anna'")
    control, listed = warehouse.campaign_outcomes(FEBRUARY)
    assert (control.campaign, control.as_of, control.version, control.month) == ("spring", JANUARY, "3", FEBRUARY)
    assert control.in_time
    assert (control.role, control.users, control.left, control.gone, control.unlabelled) == (CONTROL, 1, 1, 0, 0)
    assert (listed.role, listed.users, listed.left, listed.gone, listed.unlabelled) == (LISTED, 3, 1, 1, 1)
    assert warehouse.campaign_outcomes(JANUARY) == []
    execute("DELETE FROM labels WHERE period_start = '2024-02-29'")
    assert warehouse.campaign_outcomes(FEBRUARY) == []


def test_a_list_that_came_after_the_outcome_is_not_in_time(february: Callable[[], None]) -> None:
    february()
    warehouse.record_campaign(campaign(), users(("ann", LISTED, 3.0)))
    assert [outcome.in_time for outcome in warehouse.campaign_outcomes(FEBRUARY)] == [False]
