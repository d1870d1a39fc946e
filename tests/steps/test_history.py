"""Which version served when, as a table."""

import pytest

from local_stack.settings import Settings
from steps import history, warehouse
from steps.cli.settings import MODEL_NAME
from steps.history import decisions_table, table
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY
from tests.steps.states.serving import make_versions, served

WIDE, NARROW, TERMINAL = 250, 120, 80
FIGURES = {"auc_candidate": 0.63501, "auc_production": 0.4884, "min_auc": 0.7, "rows_compared": 1751.0}
REASON = (
    "The gate refused it: AUC 0.6350 is below min_auc 0.7, and this is a sentence that no terminal shows on one line"
)


@pytest.fixture
def two_decisions(three_cutovers: list[warehouse.Cutover]) -> list[warehouse.RecordedDecision]:
    """The gate refuses a version; a person rolls back."""
    for decision in (
        warehouse.Decision("gate", "refused", FEBRUARY, "2", REASON, FIGURES, "gate", "a" * 64),
        warehouse.Decision("rollback", "rolled_back", None, "1", "Back", {"from_version": "2"}, "Zoé Müller", "b" * 64),
    ):
        warehouse.record_decision(MODEL_NAME, decision)
    return warehouse.decisions(MODEL_NAME)


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


def test_a_terminal_of_80_columns_shows_the_reason_below(three_cutovers: list[warehouse.Cutover]) -> None:
    lines = table(three_cutovers, 50, TERMINAL)
    assert max(map(len, lines)) <= TERMINAL
    assert [line.split() for line in lines[1:3]] == [
        ["1", "1" * 8, "1" * 8, "2024-02-01", "08:00:00Z", "2024-02-01", "09:00:00Z"],
        ["promotion"],
    ]


@pytest.mark.parametrize("width", [TERMINAL, WIDE])
def test_a_decision_is_a_line_with_its_reason_and_figures_below(
    two_decisions: list[warehouse.RecordedDecision], width: int
) -> None:
    head, *lines = decisions_table(two_decisions, 50, width)
    assert head.split() == ["at", "month", "version", "decision", "by"]
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert f"2024-02-29 2 gate: refused gate {REASON} auc_candidate 0.635, auc_production 0.4884 2" in text
    assert text.endswith("Z - 1 rollback: rolled_back Zoé Müller Back")


def test_the_newest_decisions_are_shown_when_fewer_are_asked_for(
    two_decisions: list[warehouse.RecordedDecision],
) -> None:
    assert "rollback" in decisions_table(two_decisions, 1, WIDE)[1]


def test_the_newest_rows_are_shown_when_fewer_are_asked_for(three_cutovers: list[warehouse.Cutover]) -> None:
    assert [line.split()[0] for line in table(three_cutovers, 2, WIDE)] == ["version", "none", "2"]


def test_the_step_prints_the_table(
    three_cutovers: list[warehouse.Cutover], tracking: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(WIDE))
    history.main(arguments("history", {}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["version", "1", "none", "2"]
    assert lines[-1] == "[OK] streamflow_churn: 3 of 3 cutovers and 0 of 0 decisions shown."


def test_a_history_that_has_not_begun_is_empty(
    empty_warehouse: Settings, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history.main(arguments("history", {}))
    assert "[OK] streamflow_churn: 0 of 0 cutovers and 0 of 0 decisions shown." in capsys.readouterr().out
