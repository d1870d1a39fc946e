"""Processes of one's own: known beyond doubt, ended whole, and found again after their parent was killed."""

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

END_TIMEOUT_S = 20.0


def identity(pid: int) -> dict[str, Any]:
    """A process that cannot be taken for a later one with the same number."""
    return {"pid": pid, "created": psutil.Process(pid).create_time()}


def find(known: dict[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(known["pid"])
        return process if process.create_time() == known["created"] and process.is_running() else None
    except psutil.NoSuchProcess:
        return None


def end(leader: psutil.Process, first: int = signal.SIGTERM, timeout_s: float = END_TIMEOUT_S) -> None:
    """Asks a process and everything below it to end, and insists after a while."""
    family = [leader, *_children(leader)]
    _send(leader, first)
    _send(leader, signal.SIGCONT)  # one that is stopped would never hear of it
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
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself: what we want
        process.send_signal(number)


def end_session(leader_pid: int) -> None:
    """Ends what is left of a session whose leader is gone: `mlflow models serve` killed leaves its worker serving."""
    if psutil.pid_exists(leader_pid):
        return
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader_pid:
                end(process)


def remember(file: Path, pids: Iterable[int]) -> None:
    """Writes down who they are; in one step, so that a reader never sees half of it."""
    known = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            known.append(identity(pid))
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(known))
    fresh.replace(file)


def end_remembered(file: Path) -> int:
    """Ends those that still run, and all below them, and forgets them. Returns how many ran."""
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return 0
    running = [process for one in known if (process := find(one))]
    for process in running:
        end(process)
    for one in known:
        end_session(one["pid"])
    file.unlink(missing_ok=True)
    return len(running)
