"""Lake, artifacts, logs and the watcher's folder: for their owner alone, whatever the umask."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import mlflow
import pytest

from local_stack import processes
from local_stack.lifecycle import data_folders, private_files
from local_stack.processes import Service
from local_stack.settings import Settings
from steps import build_dataset
from steps.features import lake
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY, open_folder
from tests.steps.states.database import last_run
from tests.waiting import wait_until

NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_umask() -> Iterator[None]:
    umask = os.umask(0)
    yield
    os.umask(umask)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a state folder that others can enter, as with a PostgreSQL of one's own."""
    with open_folder() as folder:
        folder.chmod(0o755)
        monkeypatch.setenv("STREAMFLOW_STATE", str(folder / "state"))
        monkeypatch.delenv("STREAMFLOW_LAKE", raising=False)  # of the tests' database
        (folder / "state").mkdir()
        (folder / "state").chmod(0o755)
        yield Settings.from_env()


def as_another_user(command: str, path: Path) -> int:
    done = subprocess.run(
        [command, str(path)], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
    )
    return done.returncode


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def modes(folder: Path) -> set[str]:
    return {mode(path) for path in (folder, *folder.rglob("*"))}


@only_root
def test_folders_of_an_earlier_start_are_closed_with_all_files(settings: Settings, open_umask: None) -> None:
    for folder in data_folders(settings):
        (folder / "below").mkdir(parents=True)
        (folder / "below" / "rows").write_text("customers")
        (folder / "below" / "program").touch(mode=0o777)
        (folder / "link").symlink_to("/etc/passwd")
        assert as_another_user("cat", folder / "below" / "rows") == 0
    passwd = mode(Path("/etc/passwd"))
    with private_files(settings):
        for folder in data_folders(settings):
            assert as_another_user("cat", folder / "below" / "rows") == 1
            assert as_another_user("ls", folder) == 2
            assert modes(folder / "below") == {"0o700", "0o600"}
            folder.chmod(0o755)
            assert as_another_user("cat", folder / "below" / "rows") == 1, "the file's own mode"
    assert mode(Path("/etc/passwd")) == passwd
    assert {folder.name for folder in data_folders(settings)} == {"lake", "artifacts", "logs", "rollout"}


def test_what_a_service_writes_and_its_log_are_closed_from_the_first_byte(settings: Settings, open_umask: None) -> None:
    target = settings.artifacts / "written"
    program = f"import pathlib; pathlib.Path({str(target)!r}).mkdir(); pathlib.Path({str(target)!r}, 'file').touch()"
    with private_files(settings):
        service = Service("writer", [sys.executable, "-c", program], 1, "http://127.0.0.1:1")
        service.start(settings)
        wait_until(service.ended)
    assert modes(target) == {"0o700", "0o600"}
    assert mode(processes.log_file(settings, "writer")) == "0o600"
    assert os.umask(0) == 0, "the shell's umask is set back"


def test_a_log_is_closed_before_the_stack_starts(settings: Settings, open_umask: None) -> None:
    log = processes.log_file(settings, "stack")
    assert (mode(log.parent), mode(log)) == ("0o700", "0o600")


def test_a_lake_outside_the_state_folder_stays_as_it_is(settings: Settings) -> None:
    elsewhere = Settings({**settings.values, "STREAMFLOW_LAKE": "/srv/lake"})
    assert [folder.name for folder in data_folders(elsewhere)] == ["artifacts", "logs", "rollout"]


def test_a_step_in_an_open_shell_writes_closed_files(
    january_loaded: Settings, ingest: Callable[[Path, date], None], tracking: str, sample_months: Path, open_umask: None
) -> None:
    lake.remove_month(JANUARY)
    ingest(sample_months / "month_000", JANUARY)
    for file in lake.files_of_month(JANUARY):
        assert (mode(file), mode(file.parent)) == ("0o600", "0o700")
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
    uri = mlflow.get_run(last_run("build_dataset", tracking).info.run_id).info.artifact_uri
    folder = Path(uri.removeprefix("file://"))
    assert modes(folder) == {"0o700", "0o600"}
    assert mode(folder.parent) == "0o700"
