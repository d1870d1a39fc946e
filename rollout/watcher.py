"""Keeps one healthy model server live. The watcher is one thread of short steps; slow work (registry, launches,
history) has threads of its own."""

import logging
import time
from collections.abc import Callable
from typing import Any

from rollout import processes
from rollout.backoff import Backoff
from rollout.model_server.launch import Launch
from rollout.model_server.listeners import remove_left_sockets
from rollout.model_server.server import ModelServer
from rollout.probation.answers import ReportedAnswers
from rollout.probation.way_back import WayBack
from rollout.recorder import HistoryRecorder
from rollout.registry import RegistryPoll, TargetVersion
from rollout.servers import Servers
from rollout.settings import Settings

STEP_S = 0.1
# Some clients archive the old version before they promote the new one; in between the stage is empty.
WITHDRAWAL_GRACE_S = 10.0

log = logging.getLogger(__name__)

MakeLaunch = Callable[[Settings, TargetVersion, ModelServer | None], Launch]


class Watcher:
    def __init__(
        self,
        settings: Settings,
        registry: RegistryPoll,
        history: HistoryRecorder,
        way_back: WayBack,
        answers: ReportedAnswers,
        *,
        make_launch: MakeLaunch = Launch,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._history = history
        self._way_back = way_back
        self._servers = Servers(settings, history, way_back, answers)
        self._make_launch = make_launch
        self._launch: Launch | None = None  # of the version to serve
        self._restart: Launch | None = None  # of the last live version
        self._backoff = Backoff()
        self.problem: str | None = None
        self._saved = processes.SavedProcesses(settings.folder / "servers.json")

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Run until `is_stopped()`, then end every model server."""
        if ended := processes.end_saved(self._saved.file):
            log.warning("Ended %d processes left by a killed watcher", ended)
        remove_left_sockets(self._settings)
        try:
            while not is_stopped():
                self.step()
                time.sleep(STEP_S)
        finally:
            self._stop()

    def step(self) -> None:
        launching = [pid for launch in (self._launch, self._restart) if launch for pid in launch.pids]
        self._saved.update([*launching, *self._servers.pids])
        self._servers.drain.end_due()
        self._handle_death()
        self._servers.judge_promotion()
        self._follow_registry()
        self._keep_alive()

    def _follow_registry(self) -> None:
        # before the first answer, an empty stage means nothing
        target = self._way_back.version_to_serve(self._registry.target) if self._registry.has_answered else None
        if self._launch is not None and not (target and target.identity == self._launch.target.identity):
            self._servers.drain.discard(self._launch)
            self._launch = None
        if target is None:
            self._withdraw_after_grace()
            return
        if self._launch is not None and self._launch.done:
            self._finish(self._launch)
            self._launch = None
        if self._servers.is_last(target):
            if self._servers.live is not None:
                self.problem = None  # a version that could not be launched is no longer the target
        elif warm := self._servers.probation.warm(target):
            self._servers.switch_to(warm)
        elif self._launch is None and self._backoff.allows(target):
            self._launch = self._start_launch(target)

    def _keep_alive(self) -> None:
        """Restart the last live version if it died or is unresponsive, also while a new version launches."""
        last = self._servers.last
        if self._restart is not None and not self._servers.is_last(self._restart.target):
            self._servers.drain.discard(self._restart)  # another version replaced it
            self._restart = None
        if self._restart is not None and self._restart.done:
            self._finish(self._restart)
            self._restart = None
        elif self._restart is None and last and not self._servers.is_healthy and self._may_restart(last.target):
            self._restart = self._start_launch(last.target)

    def _may_restart(self, target: TargetVersion) -> bool:
        return self._backoff.allows(target) and not self._way_back.reason_against(target)

    def _start_launch(self, target: TargetVersion) -> Launch:
        log.info("Starting a model server for version %s", target.version)
        last = self._servers.last
        copy_from = last.server if last and self._servers.is_last(target) else None
        launch = self._make_launch(self._settings, target, copy_from)
        launch.start()
        return launch

    def _finish(self, launch: Launch) -> None:
        if launch.result is not None:
            self._servers.switch_to(launch.result)
            self.problem = None
            return
        self._backoff.record_failure(launch.target)
        self.problem = f"Version {launch.target.version} cannot serve: {launch.reason}"
        log.error("%s", self.problem)

    def _handle_death(self) -> None:
        if death := self._servers.notice_death():
            target, reason = death
            self.problem = f"Version {target.version}: {reason}; it is being restarted"
            self._backoff.record_failure(target)

    def _withdraw_after_grace(self) -> None:
        since = self._registry.empty_since
        if since is None or time.monotonic() - since < WITHDRAWAL_GRACE_S:
            return
        if self._servers.last is not None:
            reason = f"nothing is in {self._settings.stage}"
            log.warning("Version %s no longer serves: %s", self._servers.last.target.version, reason)
            self._servers.withdraw(reason)
        self.problem = None

    def _stop(self) -> None:
        for launch in filter(None, (self._launch, self._restart)):
            self._servers.drain.discard(launch)
        self._servers.withdraw("stop")
        self._servers.drain.end_all()
        self._saved.file.unlink(missing_ok=True)
        self._history.stop()

    def status(self) -> dict[str, Any]:
        """The body of GET /live: the live server, warnings, and why the registry's version does not serve."""
        serving = (live := self._servers.live) and {"url": live.server.url, **vars(live.identity)}
        warnings = [*self._registry.warnings(), *filter(None, [self._way_back.warning()])]
        if self._history.behind:
            warnings.append(f"The serving history is {self._history.behind} rows behind")
        turned_back = self._way_back.status()
        return {"serving": serving, "warnings": warnings, "problem": self.problem, "turned_back": turned_back}
