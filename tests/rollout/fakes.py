"""Fake model servers and launches: the watcher's decisions without its waits."""

from pathlib import Path
from typing import Any

from rollout.model_server.launch import ReadyServer
from rollout.model_server.server import ModelServer
from rollout.model_server.smoke_test import Identity
from rollout.probation.answers import ReportedAnswers
from rollout.probation.way_back import WayBack
from rollout.registry import RegistryPoll, TargetVersion
from rollout.settings import Settings, load_settings
from rollout.watcher import Watcher
from steps.warehouse import Cutover, Decision


def target(
    version: str, *others_in_stage: str, changed_ms: int = 0, source: str = "m-1", description: str = ""
) -> TargetVersion:
    created_ms = int(version)
    run_id, model_id = f"run-{version}", f"m-{version}"
    return TargetVersion(version, run_id, model_id, True, changed_ms, others_in_stage, source, created_ms, description)


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
    def answers_key(self) -> str:
        return f"key-{self.version}"

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
        self.decisions: list[Decision] = []

    def add(self, row: Cutover | Decision) -> None:
        if isinstance(row, Cutover):
            self.rows.append(row)
        else:
            self.decisions.append(row)

    def stop(self) -> None:
        pass

    def reasons(self) -> list[tuple[Any, ...]]:
        return [(row.from_version, row.version, row.reason) for row in self.rows]


class Scene:
    """A watcher with fakes around it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.settings = load_settings(
            {"FOLDER": str(folder), "DRAIN_S": "0.001", "SILENCE_S": "9", "PROBATION_S": "0", **settings}
        )
        self.registry = RegistryPoll(None, "streamflow_churn", "Production", 1.0)
        self.history = FakeRecorder()
        self.launches: list[FakeLaunch] = []
        self.answers = ReportedAnswers()
        self.way_back = WayBack(folder, "streamflow_churn", self.history)  # type: ignore[arg-type]
        self.watcher = Watcher(
            self.settings, self.registry, self.history, self.way_back, self.answers,  # type: ignore[arg-type]
            make_launch=self._make_launch,
        )  # fmt: skip
        folder.mkdir(exist_ok=True)

    def _make_launch(self, *arguments: Any) -> Any:
        self.launches.append(FakeLaunch(*arguments))
        return self.launches[-1]

    def promote(self, version: str, *others_in_stage: str, changed_ms: int = 0, **more: str) -> None:
        self.registry.has_answered, self.registry.empty_since = True, None
        self.registry.target = target(version, *others_in_stage, changed_ms=changed_ms, **more)
        self.watcher.step()

    def serve(self, version: str) -> FakeModelServer:
        self.promote(version)
        server = self.launches[-1].succeed()
        self.watcher.step()
        return server

    @property
    def serving(self) -> str | None:
        serving = self.watcher.status()["serving"]
        return serving["version"] if serving else None
