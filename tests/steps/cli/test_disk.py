"""A full disk: one line names it, and no row of the month is loaded."""

import errno
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import psycopg.errors
import psycopg2.errors
import pytest

from local_stack.settings import Settings
from steps.cli import console
from steps.cli.disk import disk_full
from steps.cli.errors import DiskFull, StepError
from tests.conftest import JANUARY, open_folder, small_disk
from tests.steps.states.database import fetch


@pytest.fixture
def full_lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with open_folder() as folder, small_disk(folder / "lake", "16k") as lake:
        monkeypatch.setenv("STREAMFLOW_LAKE", str(lake))
        yield lake


def test_a_full_disk_of_the_lake_is_named_and_nothing_is_loaded(
    empty_warehouse: Settings, full_lake: Path, sample_months: Path, ingest: Callable[[Path, date], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(SystemExit):
        console.run(lambda: ingest(sample_months / "month_000", JANUARY))
    message = capsys.readouterr().err
    assert f"[ERROR] The disk of {full_lake} is full (0 MB free)" in message
    assert "Traceback" not in message
    assert "make up" not in message
    assert fetch("SELECT * FROM months") == []


def test_a_full_disk_is_recognized_behind_other_errors() -> None:
    error = RuntimeError("the artifacts could not be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/some/file")
    assert isinstance(disk_full(error), DiskFull)


@pytest.mark.parametrize("driver", [psycopg.errors, psycopg2.errors])
def test_a_full_disk_on_another_machine_is_named_by_the_address_of_postgresql(
    server: Settings, driver: ModuleType
) -> None:
    error = driver.DiskFull("could not extend file")
    assert f"PostgreSQL at 127.0.0.1:{server['PGPORT']}: could not extend file" in str(disk_full(error))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        psycopg.OperationalError("gone"),
        psycopg2.OperationalError("gone"),
        OSError(errno.EACCES, "no"),
    ],
)
def test_other_errors_stay_unchanged(server: Settings, error: Exception) -> None:
    assert disk_full(error) is None

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        console.run(fail)


def test_a_step_error_stays_unchanged() -> None:
    def fail() -> None:
        raise StepError("expected")

    with pytest.raises(SystemExit):
        console.run(fail)
