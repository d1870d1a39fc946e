"""The project's own processes: identified, ended with their children, and found again after their parent was killed."""

import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

END_TIMEOUT_S = 20.0

log = logging.getLogger(__name__)


def identity(pid: int) -> dict[str, Any]:
    """Process id and start time: ids alone are reused."""
    return {"pid": pid, "created": psutil.Process(pid).create_time()}


def find(record: dict[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(record["pid"])
        return process if process.create_time() == record["created"] and process.is_running() else None
    except psutil.NoSuchProcess:
        return None


def end(leader: psutil.Process, first: int = signal.SIGTERM, timeout_s: float = END_TIMEOUT_S) -> None:
    """End a process and its descendants: the signal `first`, then SIGKILL after `timeout_s` seconds."""
    family = [leader, *_children(leader)]
    _send(leader, first)
    _send(leader, signal.SIGCONT)  # a stopped process handles no other signal
    gone, alive = psutil.wait_procs([leader], timeout=timeout_s)
    for process in [p for p in family if p not in gone]:
        _send(process, signal.SIGTERM)
    _gone, alive = psutil.wait_procs(family, timeout=timeout_s / 4)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=END_TIMEOUT_S / 4)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it has already ended
        process.send_signal(number)


def end_session(leader_pid: int) -> None:
    """End the rest of a session without its leader: a killed `mlflow models serve` leaves its worker running."""
    if psutil.pid_exists(leader_pid):
        return
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader_pid:
                end(process)


class SavedProcesses:
    """The processes of a program, in a file: if it is killed, its next start ends them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._saved: list[int] = []

    def update(self, pids: list[int]) -> None:
        if pids == self._saved:
            return
        self._saved = pids
        try:
            save_identities(self.file, pids)
        except OSError as error:  # a full disk must not end the live server
            log.warning("If this watcher is killed, its model servers keep running: %s", error)


def save_identities(file: Path, pids: Iterable[int]) -> None:
    """Write the processes' identities to `file`, in one atomic step."""
    records = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            records.append(identity(pid))
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(records))
    fresh.replace(file)


def end_saved(file: Path) -> int:
    """End the saved processes that still run, with their descendants, and delete `file`. Returns how many ran."""
    try:
        records = json.loads(file.read_text())
    except (OSError, ValueError):
        return 0
    running = [process for record in records if (process := find(record))]
    for process in running:
        end(process)
    for record in records:
        end_session(record["pid"])
    file.unlink(missing_ok=True)
    return len(running)
