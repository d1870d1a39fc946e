"""Fake model servers and launches: the watcher's decisions without its waits."""

from pathlib import Path
from typing import Any

from rollout.model_server.launch import ReadyServer
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity
from rollout.registry import TargetVersion
from rollout.settings import Settings
from steps.warehouse import Cutover


def target(version: str, *others_in_stage: str, changed_ms: int = 0, source: str = "m-1") -> TargetVersion:
    return TargetVersion(version, f"run-{version}", f"m-{version}", True, changed_ms, others_in_stage, source)


class FakeModelServer(ModelServer):
    def __init__(self, version: str) -> None:
        self.version = version
        self.folder = self.model = Path("/nowhere")
        self.is_dead = self.has_ended = False
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

    def exit_reason(self) -> str:
        return "signal 9"

    def log_tail(self) -> str:
        return "Killed"

    def end(self) -> None:
        self.has_ended = True


class FakeLaunch:
    """Done when the test calls `succeed` or `fail`."""

    def __init__(self, _settings: Settings, target: TargetVersion, copy_from: ModelServer | None = None) -> None:
        self.target, self.copy_from = target, copy_from
        self.server = FakeModelServer(target.version)
        self.done = self.is_cancelled = False
        self.result: ReadyServer | None = None
        self.reason: str | None = None
        self.pids: list[int] = []

    def start(self) -> None:
        pass

    def succeed(self) -> FakeModelServer:
        identity = Identity("streamflow_churn", self.target.version, str(self.target.run_id), "churn_v1")
        self.result, self.done = ReadyServer(self.server, self.target, identity, f"sha-{self.target.version}"), True
        return self.server

    def fail(self, reason: str = "it raised") -> None:
        self.reason, self.done = reason, True

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeRecorder:
    behind = 0

    def __init__(self) -> None:
        self.rows: list[Cutover] = []

    def add(self, cutover: Cutover) -> None:
        self.rows.append(cutover)

    def stop(self) -> None:
        pass

    def reasons(self) -> list[tuple[Any, ...]]:
        return [(row.from_version, row.version, row.reason) for row in self.rows]
