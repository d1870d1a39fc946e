"""The jobs' chain: for the months that have none yet, oldest first, and never with made-up months."""

from pathlib import Path

import mlflow
import pytest

from configuration import names
from configuration.months import day_of
from deploy.containers import new_months
from local_stack.settings import Settings, StackError
from steps.month.digest import files_sha256
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


def finish(folder: Path, as_of: str, experiment: str, status: str = "FINISHED") -> None:
    """Records a run of `main` as the chain does."""
    tags = {names.STEP_TAG: "main", "as_of": as_of, "files_sha256": files_sha256(folder)}
    with mlflow.start_run(experiment_id=experiment, tags=tags) as run:
        pass
    mlflow.MlflowClient().set_terminated(run.info.run_id, status)


def command(months: Path, number: int, as_of: str) -> str:
    return f"-P month_dir={months / f'month_{number:03d}'} -P as_of={as_of}"


def test_the_chain_runs_for_unfinished_months_oldest_first(
    server: Settings, tracking: str, months: Path, commands: list[str]
) -> None:
    (months / "month_000" / "labels.csv").write_text("user_id,churn_label\nanna,False\n")  # other tests' months differ
    finish(months / "month_000", "2024-01-31", tracking)
    finish(months / "month_001", "2024-02-29", tracking, "FAILED")

    new_months.run_chains(months, None)

    assert commands == [command(months, 1, "2024-02-29"), command(months, 11, "2024-12-31")]


def test_a_corrected_month_is_run_again_and_finished_ones_are_not(
    server: Settings, tracking: str, tmp_path: Path, commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_month(tmp_path / "month_002")
    finish(folder, "2024-03-31", tracking)
    new_months.run_chains(tmp_path, None)
    assert commands == []
    assert f"The chain has finished for every month in {tmp_path}; nothing was changed." in capsys.readouterr().out

    (folder / "labels.csv").write_text("user_id,churn_label\nben,True\n")
    new_months.run_chains(tmp_path, None)
    assert commands == [command(tmp_path, 2, "2024-03-31")]


def test_one_month_is_run_although_it_has_finished(
    server: Settings, tracking: str, months: Path, commands: list[str]
) -> None:
    finish(months / "month_001", "2024-02-29", tracking)
    new_months.run_chains(months, "2024-02-29")
    assert commands == [command(months, 1, "2024-02-29")]


def test_an_empty_folder_is_an_error_and_stays_empty(tmp_path: Path, commands: list[str]) -> None:
    (tmp_path / "month_x").mkdir()
    with pytest.raises(StackError, match=r"has no month. Copy month_000, month_001, … there"):
        new_months.run_chains(tmp_path, None)
    assert (commands, [path.name for path in tmp_path.iterdir()]) == ([], ["month_x"])


def test_an_incomplete_month_is_named_before_anything_runs(months: Path, commands: list[str]) -> None:
    (months / "month_011" / "users.csv").unlink()
    with pytest.raises(StackError, match=r"month_011, the month of 2024-12-31: missing users\.csv"):
        new_months.run_chains(months, None)
    assert commands == []


def test_the_day_of_a_folder_is_that_of_its_month() -> None:
    for number in (0, 1, 11, 12, 25, 1000):
        day = day_of(number)
        assert (day.year - 2024) * 12 + day.month - 1 == number
    assert [str(day_of(number)) for number in (1, 13)] == ["2024-02-29", "2025-02-28"]
