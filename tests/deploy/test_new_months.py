"""The job of the cluster: it catches up, and never makes up months."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from configuration.months import day_of
from deploy.containers import new_months
from local_stack.settings import Settings, StackError
from steps.registry import approvals
from steps.warehouse import RecordedRequest
from tests.steps.states.months import write_month


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of each `mlflow run .`"""
    calls: list[str] = []
    monkeypatch.setattr(new_months, "mlflow_run", lambda *arguments: calls.append(" ".join(arguments)))
    return calls


@pytest.fixture
def months(tmp_path: Path) -> Path:
    for number in (1, 0, 11):
        write_month(tmp_path / f"month_{number:03d}")
    return tmp_path


def test_without_a_day_the_months_are_caught_up(
    server: Settings, tracking: str, months: Path, commands: list[str]
) -> None:
    new_months.run_chains(months, None)
    assert commands == [f"-e catch_up -P months_dir={months}"]


def test_a_day_names_its_month(server: Settings, tracking: str, months: Path, commands: list[str]) -> None:
    new_months.run_chains(months, "2024-02-29")
    assert commands == [f"-P month_dir={months / 'month_001'} -P as_of=2024-02-29"]


def test_what_people_asked_for_comes_first(
    server: Settings, tracking: str, months: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RecordedRequest("2", 1, "approve", "ann", datetime.now(UTC))
    monkeypatch.setattr(approvals, "open_requests", lambda: [request])
    new_months.run_chains(months, None)
    assert commands == ["-e approve -P pending=true", f"-e catch_up -P months_dir={months}"]


def test_an_empty_folder_is_an_error_and_stays_empty(tmp_path: Path, commands: list[str]) -> None:
    (tmp_path / "month_x").mkdir()
    with pytest.raises(StackError, match=r"has no month. Copy month_000, month_001, … there"):
        new_months.run_chains(tmp_path, None)
    assert (commands, [path.name for path in tmp_path.iterdir()]) == ([], ["month_x"])


def test_an_incomplete_month_is_named_before_anything_runs(months: Path, commands: list[str]) -> None:
    (months / "month_011" / "users.csv").unlink()
    with pytest.raises(StackError, match=r"month_011, the month of 2024-12-31: missing users\.csv"):
        new_months.run_chains(months, "2024-12-31")
    assert commands == []


def test_the_day_of_a_folder_is_that_of_its_month() -> None:
    for number in (0, 1, 11, 12, 25, 1000):
        day = day_of(number)
        assert (day.year - 2024) * 12 + day.month - 1 == number
    assert [str(day_of(number)) for number in (1, 13)] == ["2024-02-29", "2025-02-28"]
