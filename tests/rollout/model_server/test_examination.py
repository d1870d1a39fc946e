"""The step `examine` as a process of the watcher: limited in time, cancelled with its launch, its error reported."""

import sys
from pathlib import Path

import psutil
import pytest

from rollout.errors import Cancelled, Refused
from rollout.model_server.examination import Examination
from rollout.settings import Settings


def examination(folder: Path, code: str) -> Examination:
    """One that runs this code instead of the step."""
    return Examination("7", folder / "log", [sys.executable, "-c", code])


def test_the_step_is_examine_of_the_version(tmp_path: Path) -> None:
    examination = Examination("7", tmp_path / "log", Settings.read().examination)
    assert examination.command == [sys.executable, "-m", "steps.examine", "--version", "7"]


def test_it_returns_once_the_step_has_succeeded(tmp_path: Path) -> None:
    step, pids = examination(tmp_path, "import time; time.sleep(1)"), []
    step.run(60, lambda: pids.append(step.pid))
    assert pids[0] is not None
    assert step.pid is None


def test_the_error_of_the_step_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        examination(tmp_path, "import sys; print('a line'); sys.exit('[ERROR] no key')").run(60, lambda: None)
    assert str(caught.value) == (
        "its examination by the gate failed: [ERROR] no key. Run: mlflow run . -e examine -P version=7"
    )


def ended(pid: int | None) -> bool:
    return pid is not None and not psutil.pid_exists(pid)


ENDLESS = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(1)); time.sleep(600)"


def test_a_step_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    step, pids = examination(tmp_path, ENDLESS), []
    with pytest.raises(Refused, match=r"its examination by the gate took longer than 1 s"):
        step.run(1, lambda: pids.append(step.pid))
    assert ended(pids[-1])


def test_a_cancelled_launch_ends_it(tmp_path: Path) -> None:
    step, pids = examination(tmp_path, ENDLESS), []

    def cancelled() -> None:
        pids.append(step.pid)
        raise Cancelled

    with pytest.raises(Cancelled):
        step.run(60, cancelled)
    assert ended(pids[-1])
