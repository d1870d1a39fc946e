"""Starts, checks and ends the stack's servers. Each has its own session: Ctrl-C reaches the stack alone."""

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from local_stack.settings import LOOPBACK, ROOT, Settings, StackError
from rollout import loopback
from rollout.processes import end, end_saved, end_session, find, identity

__all__ = ["Service", "end", "end_saved", "find", "identity", "load_state", "save_state"]

POLL_S = 0.1
HEALTH_TIMEOUT_S = 2.0
LOG_TAIL_LINES = 15


@dataclass
class Service:
    """One server: its command, and the address that answers once it is up."""

    name: str
    command: Sequence[str]
    port: int
    health: str
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self, settings: Settings) -> None:
        with log_file(settings, self.name).open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command lines, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**settings.service_environment(), **self.environment},
                cwd=ROOT,
                start_new_session=True,
            )

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end_workers(self) -> None:
        """A killed leader leaves its workers, which keep its port."""
        if self.process is not None and self.ended():
            end_session(self.process.pid)

    def healthy(self, address: str = "") -> bool:
        return answers(address or self.health)

    def wait_until_healthy(
        self, settings: Settings, timeout_s: float, on_poll: Callable[[], None], address: str = ""
    ) -> None:
        """Wait until `address` (default: `health`) answers; calls `on_poll` meanwhile. Raises StackError, with the end
        of the log, if the service ends or does not answer within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not self.healthy(address):
            on_poll()
            if self.ended() or time.monotonic() > deadline:
                raise StackError(f"{self.name} {self.failure(timeout_s)}. {log_tail(settings, self.name)}")
            time.sleep(POLL_S)

    def failure(self, timeout_s: float) -> str:
        if self.process is not None and self.process.poll() is not None:
            return f"ended with exit code {self.process.returncode}"
        return f"does not answer at {self.health} after {timeout_s:.0f} s"


def answers(address: str) -> bool:
    """True if a GET succeeds within HEALTH_TIMEOUT_S seconds."""
    try:
        return loopback.get(address, HEALTH_TIMEOUT_S).ok
    except requests.RequestException:
        return False


def log_file(settings: Settings, name: str) -> Path:
    folder = settings.state / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / f"{name.replace(' ', '_')}.log"
    log.touch(mode=0o600)
    return log


def log_tail(settings: Settings, name: str) -> str:
    path = log_file(settings, name)
    lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if path.exists() else []
    return f"The end of {path}:\n" + "\n".join(f"    {line}" for line in lines)


def require_free_ports(ports: dict[str, tuple[str, int]]) -> None:
    """ports: setting -> (service, port). Raises StackError with every port in use and the process that uses it."""
    errors = [
        f"port {port} for {service} is in use{_owner(port)}; set another: {setting}=NUMBER"
        for setting, (service, port) in ports.items()
        if not _free(port)
    ]
    uses = Counter(port for _service, port in ports.values())
    errors += [f"port {port} is set for more than one service" for port in sorted(uses) if uses[port] > 1]
    if errors:
        raise StackError("Cannot start: " + "; ".join(errors) + ". To stop a stack that was killed: make down")


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess):
        for connection in psutil.net_connections("tcp"):
            is_on_port = connection.laddr and connection.laddr.port == port
            if is_on_port and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""


def save_state(settings: Settings, state: dict[str, Any]) -> None:
    path = settings.state / "stack.json"
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)  # it contains the database's password
    fresh.write_text(json.dumps(state, indent=2))
    fresh.replace(path)


def load_state(settings: Settings) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((settings.state / "stack.json").read_text())
    except (OSError, ValueError):
        return {}
    return state
