"""The containers' pipeline: made-up months only for an empty warehouse."""

from pathlib import Path

import pytest

from deploy.containers import first_month
from local_stack.settings import Settings
from tests.steps.states.months import write_month


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of each `mlflow run .`; sample_months writes a January."""
    calls: list[str] = []

    def record(*arguments: str) -> None:
        calls.append(" ".join(arguments))
        if "sample_months" in arguments:
            write_month(tmp_path / "months" / "month_000")

    (tmp_path / "months").mkdir()
    monkeypatch.setattr(first_month, "mlflow_run", record)
    return calls


def test_an_empty_folder_changes_nothing_if_a_month_is_loaded(
    january_loaded: Settings, commands: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first_month.run_chain(tmp_path / "months", None, "false")
    assert commands == []
    assert "Loaded: 2024-01-31 (made up). The data folder is empty; nothing was changed." in capsys.readouterr().out


def test_an_empty_folder_gets_made_up_months_for_an_empty_warehouse(
    empty_warehouse: Settings, tracking: str, commands: list[str], tmp_path: Path
) -> None:
    months = tmp_path / "months"
    first_month.run_chain(months, None, "false")
    assert commands == [
        f"-e sample_months -P out_dir={months}",
        f"-P month_dir={months / 'month_000'} -P as_of=2024-01-31 -P mix=false",
    ]


def test_given_months_are_run_although_others_are_loaded(
    january_loaded: Settings, tracking: str, commands: list[str], tmp_path: Path
) -> None:
    month = write_month(tmp_path / "months" / "month_001")
    first_month.run_chain(tmp_path / "months", "2024-02-29", "true")
    assert commands == [f"-P month_dir={month} -P as_of=2024-02-29 -P mix=true"]
