"""Which version served when, as a table."""

import pytest

from local_stack.settings import Settings
from steps import history, warehouse
from steps.history import table
from steps.runs.entry_points import arguments
from tests.steps.states.serving import make_versions, served

WIDE, NARROW = 250, 120


@pytest.fixture
def three_cutovers(empty_warehouse: Settings, empty_registry: None) -> list[warehouse.Cutover]:
    """Version 1 for an hour, nothing for an hour, then version 2."""
    warehouse.apply_schema()
    make_versions(2)
    return served("1", None, "2")


def test_each_row_ends_where_the_next_begins_and_the_last_is_now(three_cutovers: list[warehouse.Cutover]) -> None:
    lines = table(three_cutovers, 50, NARROW)
    assert {line.index(text) for line, text in zip(lines, ("reason", *["promotion"] * 3), strict=True)} == {103}
    assert [line.split() for line in lines[1:]] == [
        ["1", "1" * 32, "1" * 12, "2024-02-01", "08:00:00Z", "2024-02-01", "09:00:00Z", "promotion"],
        ["none", "-", "-", "2024-02-01", "09:00:00Z", "2024-02-01", "10:00:00Z", "promotion"],
        ["2", "2" * 32, "2" * 12, "2024-02-01", "10:00:00Z", "now", "promotion"],
    ]


def test_the_sha256_is_whole_where_there_is_room(three_cutovers: list[warehouse.Cutover]) -> None:
    assert [line.split()[2] for line in table(three_cutovers, 50, WIDE)[1:]] == ["1" * 64, "-", "2" * 64]
    assert max(map(len, table(three_cutovers, 50, NARROW))) <= NARROW


def test_the_newest_rows_are_shown_when_fewer_are_asked_for(three_cutovers: list[warehouse.Cutover]) -> None:
    assert [line.split()[0] for line in table(three_cutovers, 2, WIDE)] == ["version", "none", "2"]


def test_the_step_prints_the_table(
    three_cutovers: list[warehouse.Cutover], tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history.main(arguments("history", {}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["version", "1", "none", "2"]
    assert lines[-1] == "[OK] streamflow_churn: 3 of 3 cutovers shown."


def test_a_history_that_has_not_begun_is_empty(
    empty_warehouse: Settings, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history.main(arguments("history", {}))
    assert "[OK] streamflow_churn: 0 of 0 cutovers shown." in capsys.readouterr().out
