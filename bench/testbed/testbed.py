"""What is measured: a stack on a state folder and ports of its own, its parts found by what it wrote down itself."""

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import requests

from bench.load.loops import Target
from local_stack import processes
from local_stack.database import postgres
from local_stack.settings import LOOPBACK, ROOT, Settings

STATE = ".streamflow-bench"
DEADLINE_S = 3.0  # the gateway's own, per request; see ENRICHER_DEADLINE_S
GRACE_S = 0.1
LIVE_TIMEOUT_S = 2.0
POLL_S = 0.1


@dataclass(frozen=True)
class Ground:
    """A running stack and the users it knows."""

    settings: Settings
    users: list[str]

    def target(self, patience_s: float = DEADLINE_S + 2.0) -> Target:
        bodies = [json.dumps({"user_id": user}).encode() for user in self.users]
        return Target(self.settings.port("GATEWAY_PORT"), bodies, patience_s)

    def part(self, name: str) -> psutil.Process:
        """Raises LookupError unless the stack has such a part and it lives."""
        for part in processes.load_state(self.settings).get("services", []):
            if part["name"] == name and (process := processes.find(part)):
                return process
        raise LookupError(f"The stack has no living {name}")

    def live(self) -> dict[str, Any]:
        """The watcher's word: which model server serves."""
        answer = requests.get(f"{self.settings.address('ROLLOUT_PORT')}/live", timeout=LIVE_TIMEOUT_S)
        found: dict[str, Any] = answer.json()
        return found

    def model_server(self) -> psutil.Process:
        """The process that listens where the watcher says the live model is; it is of the stack's own family."""
        port = int(str((self.live()["serving"] or {}).get("url", ":0")).rsplit(":", 1)[1])
        watcher = self.part("watcher")
        for process in watcher.children(recursive=True):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return process
        raise LookupError(f"No process below the watcher listens on port {port}")

    def postmaster(self) -> psutil.Process:
        return postgres.postmaster(self.settings)

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, of each part with all that it started, and of PostgreSQL with its connections."""
        known = processes.load_state(self.settings)["services"]
        heads = {part["name"]: processes.find(part) for part in known} | {"PostgreSQL": self.postmaster()}
        return {name: _family_cpu_s(head) for name, head in heads.items() if head is not None}

    def answers(self, port_name: str, path: str) -> bool:
        """Whether that part says 200."""
        try:
            return requests.get(self.settings.address(port_name) + path, timeout=LIVE_TIMEOUT_S).ok
        except requests.RequestException:
            return False

    def await_ready(self, timeout_s: float) -> None:
        """Raises TimeoutError unless the gateway says within that time that it would answer."""
        deadline = time.monotonic() + timeout_s
        while not self.answers("GATEWAY_PORT", "/ready"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The gateway was not ready after {timeout_s:g} s")
            time.sleep(POLL_S)


@contextmanager
def standing(data: Path, state: str) -> Iterator[Ground]:
    """Brings the stack up, and down again whatever happens. Its data stays in `state` for the next time."""
    given = {"STREAMFLOW_STATE": str(ROOT / state), **{name: str(free_port()) for name in _port_names()}}
    with mock.patch.dict(os.environ, given):
        settings = Settings.from_env()
        with mock.patch.dict(os.environ, settings.exported()):
            _stack("up", "--data", str(data))
            try:
                yield Ground(settings, known_users(data))
            finally:
                _stack("down")


def _family_cpu_s(head: psutil.Process) -> float:
    total = 0.0
    for process in [head, *head.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            times = process.cpu_times()
            total += times.user + times.system
    return total


def known_users(data: Path) -> list[str]:
    with (data / "month_000" / "users.csv").open(newline="") as file:
        return [row["user_id"] for row in csv.DictReader(file)]


def _port_names() -> list[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return ["PGPORT", *(line.split("=")[0] for line in lines if "_PORT=" in line)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _stack(*arguments: str) -> None:
    """Raises CalledProcessError; what the stack says is shown."""
    command = [sys.executable, "-m", "local_stack", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 - ourselves
