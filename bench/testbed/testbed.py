"""The measured stack: own state folder, own ports. Its processes are found through the stack's own state file."""

import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import psutil
import requests

from bench.load.loops import LoadTarget
from configuration.model_address import socket_path
from feature_enricher.settings import Settings as GatewaySettings
from local_stack import processes
from local_stack.database import postgres
from local_stack.processes import free_port
from local_stack.settings import ROOT, Settings

STATE = ".streamflow-bench"
DEADLINE_S: float = GatewaySettings.model_fields["deadline_s"].default
GRACE_S = 0.1
LIVE_TIMEOUT_S = 2.0
POLL_S = 0.1


@dataclass(frozen=True)
class Testbed:
    """A running stack and the users in its online store."""

    __test__: ClassVar[bool] = False  # pytest would take it for a test class by its name

    settings: Settings
    users: list[str]

    def target(self, patience_s: float = DEADLINE_S + 2.0) -> LoadTarget:
        bodies = [json.dumps({"user_id": user}).encode() for user in self.users]
        return LoadTarget(self.settings.port("GATEWAY_PORT"), bodies, patience_s)

    def service(self, name: str) -> psutil.Process:
        """Raises LookupError unless the stack has a running service of this name."""
        for service in processes.load_state(self.settings).get("services", []):
            if service["name"] == name and (process := processes.find(service)):
                return process
        raise LookupError(f"No running service {name} in the stack")

    def live(self) -> dict[str, Any]:
        """The watcher's /live: which version and model server receive requests, and the last problem."""
        answer = requests.get(f"{self.settings.address('ROLLOUT_PORT')}/live", timeout=LIVE_TIMEOUT_S)
        status: dict[str, Any] = answer.json()
        return status

    def model_server(self) -> psutil.Process:
        """The watcher's child process that listens at the live model's socket. Raises LookupError without one."""
        path = socket_path(str((self.live()["serving"] or {}).get("url", "")))
        watcher = self.service("watcher")
        for process in watcher.children(recursive=True):
            if path in [str(connection.laddr) for connection in process.net_connections("unix")]:
                return process
        raise LookupError(f"No process below the watcher listens at {path}")

    def postmaster(self) -> psutil.Process:
        return postgres.postmaster(self.settings)

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far of each service and of PostgreSQL, their child processes included."""
        services = processes.load_state(self.settings)["services"]
        heads = {service["name"]: processes.find(service) for service in services} | {"PostgreSQL": self.postmaster()}
        return {name: _family_cpu_s(head) for name, head in heads.items() if head is not None}

    def answers(self, port_name: str, path: str) -> bool:
        """Whether a GET of this path at this port returns a success."""
        try:
            return requests.get(self.settings.address(port_name) + path, timeout=LIVE_TIMEOUT_S).ok
        except requests.RequestException:
            return False

    def require_serving(self) -> None:
        """Raises RuntimeError unless a version serves: requests to none would measure nothing."""
        status = self.live()
        if status["serving"] is None:
            reason = status["problem"] or status["warnings"]
            raise RuntimeError(f"No version serves: {reason}. Delete {self.settings.state} to start anew")

    def await_ready(self, timeout_s: float) -> None:
        """Raises TimeoutError unless the gateway is ready within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self.answers("GATEWAY_PORT", "/ready"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The gateway was not ready after {timeout_s:g} s")
            time.sleep(POLL_S)


@contextmanager
def open_testbed(data: Path, state: str) -> Iterator[Testbed]:
    """Starts the stack and always stops it after the block. Its data stays in `state` for the next run."""
    variables = {"STREAMFLOW_STATE": str(ROOT / state), **{name: str(free_port()) for name in _port_names()}}
    with mock.patch.dict(os.environ, variables):
        settings = Settings.from_env()
        with mock.patch.dict(os.environ, settings.exported()):
            _stack("up", "--data", str(data))
            testbed = Testbed(settings, read_users(data))
            try:
                testbed.require_serving()
                yield testbed
            finally:
                _stack("down")


def _family_cpu_s(head: psutil.Process) -> float:
    total = 0.0
    for process in [head, *head.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # has ended in the meantime
            times = process.cpu_times()
            total += times.user + times.system
    return total


def read_users(data: Path) -> list[str]:
    with (data / "month_000" / "users.csv").open(newline="") as file:
        return [row["user_id"] for row in csv.DictReader(file)]


def _port_names() -> list[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return ["PGPORT", *(line.split("=")[0] for line in lines if "_PORT=" in line)]


def _stack(*arguments: str) -> None:
    """Runs a command of the stack; its output is shown. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "local_stack", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 - ourselves
