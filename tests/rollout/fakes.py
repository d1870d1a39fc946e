"""What stands in for model servers and attempts, so that the watcher's decisions show without its waits."""

from pathlib import Path
from typing import Any

from rollout.model_server.launch import Up
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity
from rollout.registry import Wanted
from rollout.settings import Settings
from steps.warehouse import Cutover


def wanted(version: str, *beside: str, changed_ms: int = 0, source: str = "m-1") -> Wanted:
    return Wanted(version, f"run-{version}", f"sha-{version}", None, True, changed_ms, beside, source)


class FakeModelServer(ModelServer):
    def __init__(self, version: str) -> None:
        self.version = version
        self.folder = self.model = Path("/nowhere")
        self.is_dead = self.is_gone = False
        self.answers = True

    @property
    def url(self) -> str:
        return f"http://model-{self.version}"

    @property
    def pid(self) -> None:
        return None

    def ended(self) -> bool:
        return self.is_dead

    def healthy(self) -> bool:
        return self.answers and not self.is_dead

    def fate(self) -> str:
        return "signal 9"

    def log_tail(self) -> str:
        return "Killed"

    def end(self) -> None:
        self.is_gone = True


class FakeBringUp:
    """Done when the test says so."""

    def __init__(self, _settings: Settings, wanted: Wanted, copy_of: ModelServer | None = None) -> None:
        self.wanted, self.copy_of = wanted, copy_of
        self.server = FakeModelServer(wanted.version)
        self.done = self.is_cancelled = False
        self.result: Up | None = None
        self.reason: str | None = None

    def start(self) -> None:
        pass

    def succeed(self) -> FakeModelServer:
        identity = Identity("streamflow_churn", self.wanted.version, str(self.wanted.run_id), "churn_v1")
        self.result, self.done = Up(self.server, self.wanted, identity), True
        return self.server

    def fail(self, reason: str = "it raised") -> None:
        self.reason, self.done = reason, True

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeHistory:
    behind = 0

    def __init__(self) -> None:
        self.rows: list[Cutover] = []

    def add(self, cutover: Cutover) -> None:
        self.rows.append(cutover)

    def stop(self) -> None:
        pass

    def told(self) -> list[tuple[Any, ...]]:
        return [(row.from_version, row.version, row.reason) for row in self.rows]
