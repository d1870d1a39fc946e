"""Keeps one healthy model server live. The watcher is one thread of short steps; slow work (registry, launches,
history) has threads of its own."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rollout import processes
from rollout.backoff import Backoff
from rollout.model_server.drain import Drain
from rollout.model_server.launch import Launch, ReadyServer
from rollout.model_server.listeners import remove_left_sockets
from rollout.model_server.liveness import Liveness
from rollout.model_server.server import ModelServer
from rollout.recorder import HistoryRecorder
from rollout.registry import RegistryPoll, TargetVersion
from rollout.settings import Settings
from steps.warehouse import Cutover

STEP_S = 0.1
# Some clients archive the old version before they promote the new one; in between the stage is empty.
WITHDRAWAL_GRACE_S = 10.0

log = logging.getLogger(__name__)

MakeLaunch = Callable[[Settings, TargetVersion, ModelServer | None], Launch]


class Watcher:
    def __init__(
        self, settings: Settings, registry: RegistryPoll, history: HistoryRecorder, make_launch: MakeLaunch = Launch
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._history = history
        self._make_launch = make_launch
        self.live: ReadyServer | None = None
        self._last: ReadyServer | None = None  # the last live server: restarted when it dies
        self._launch: Launch | None = None  # of the registry's version
        self._restart: Launch | None = None  # of the last live version
        self._drain = Drain(settings.drain_s)
        self._backoff = Backoff()
        self._liveness = Liveness(settings.silence_s)
        self._served: set[object] = set()  # identities: a version's number can be reused
        self.problem: str | None = None
        self._saved_pids: list[int] = []
        self._pid_file = settings.folder / "servers.json"

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Run until `is_stopped()`, then end every model server."""
        if ended := processes.end_saved(self._pid_file):
            log.warning("Ended %d processes left by a killed watcher", ended)
        remove_left_sockets(self._settings)
        try:
            while not is_stopped():
                self.step()
                time.sleep(STEP_S)
        finally:
            self._stop()

    def step(self) -> None:
        self._save_pids()
        self._drain.end_due()
        self._handle_death()
        self._follow_registry()
        self._keep_alive()

    def _follow_registry(self) -> None:
        target = self._registry.target
        if self._launch is not None and not (target and _is_same(target, self._launch.target)):
            self._drain.discard(self._launch)
            self._launch = None
        if target is None:
            self._withdraw_after_grace()
            return
        if self._launch is not None and self._launch.done:
            self._finish(self._launch)
            self._launch = None
        is_new = self._last is None or not _is_same(target, self._last.target)
        if not is_new and self.live is not None:
            self.problem = None  # a version that could not be launched is no longer the target
        if is_new and self._launch is None and self._backoff.allows(target):
            self._launch = self._start_launch(target)

    def _keep_alive(self) -> None:
        """Restart the last live version if it died or is unresponsive, also while a new version launches."""
        is_healthy = self.live is not None and not self._liveness.is_unresponsive
        if self._restart is not None and (self._last is None or not _is_same(self._restart.target, self._last.target)):
            self._drain.discard(self._restart)  # another version replaced it
            self._restart = None
        if self._restart is not None and self._restart.done:
            self._finish(self._restart)
            self._restart = None
        elif self._restart is None and self._last and not is_healthy and self._backoff.allows(self._last.target):
            self._restart = self._start_launch(self._last.target)

    def _start_launch(self, target: TargetVersion) -> Launch:
        log.info("Starting a model server for version %s", target.version)
        copy_from = self._last.server if self._last and _is_same(target, self._last.target) else None
        launch = self._make_launch(self._settings, target, copy_from)
        launch.start()
        return launch

    def _finish(self, launch: Launch) -> None:
        if launch.result is not None:
            self._switch_to(launch.result)
            return
        self._backoff.record_failure(launch.target)
        self.problem = f"Version {launch.target.version} cannot serve: {launch.reason}"
        log.error("%s", self.problem)

    def _switch_to(self, new: ReadyServer) -> None:
        previous = self._last
        self.live = self._last = new  # from here on /live names the new server
        self._liveness.monitor(new.server)
        self.problem = None
        self._record(new, self._reason(new, previous), previous)
        log.info("Version %s serves at %s", new.target.version, new.server.url)
        if previous is not None:  # even if it died: one of its workers may still run
            self._drain.add(previous.server)

    def _reason(self, new: ReadyServer, previous: ReadyServer | None) -> str:
        if previous is None:
            return "start"
        if _is_same(previous.target, new.target):
            return "restart"
        return "rollback" if new.target.identity in self._served else "promotion"

    def _record(self, new: ReadyServer, reason: str, previous: ReadyServer | None) -> None:
        self._served.add(new.target.identity)
        from_version = previous.target.version if previous else None
        self._history.add(
            Cutover(_now(), new.target.version, new.identity.run_id, new.dataset_sha256, from_version, reason)
        )

    def _handle_death(self) -> None:
        if self.live is None or not self.live.server.ended():
            return
        dead = self.live
        reason = f"the model server ended with {dead.server.exit_reason()}"
        self.live = None
        self.problem = f"Version {dead.target.version}: {reason}; it is being restarted"
        log.error("%s. %s", self.problem, dead.server.log_tail())
        self._backoff.record_failure(dead.target)
        self._history.add(Cutover(_now(), None, None, None, dead.target.version, reason))

    def _withdraw_after_grace(self) -> None:
        since = self._registry.empty_since
        if since is None or time.monotonic() - since < WITHDRAWAL_GRACE_S:
            return
        if self._last is not None:
            reason = f"nothing is in {self._settings.stage}"
            log.warning("Version %s no longer serves: %s", self._last.target.version, reason)
            if self.live is not None:
                self._history.add(Cutover(_now(), None, None, None, self._last.target.version, reason))
            self._drain.add(self._last.server)
        self.live = self._last = self.problem = None

    def _save_pids(self) -> None:
        """If this watcher is killed, the next one ends these processes."""
        launching = [pid for launch in (self._launch, self._restart) if launch for pid in launch.pids]
        servers = [*self._drain.servers, *([self._last.server] if self._last else [])]
        pids = [*launching, *(server.pid for server in servers if server.pid)]
        if pids == self._saved_pids:
            return
        self._saved_pids = pids
        try:
            processes.save_identities(self._pid_file, pids)
        except OSError as error:  # a full disk must not end the live server
            log.warning("If this watcher is killed, its model servers keep running: %s", error)

    def _stop(self) -> None:
        if self.live is not None:
            self._history.add(Cutover(_now(), None, None, None, self.live.target.version, "stop"))
        for launch in filter(None, (self._launch, self._restart)):
            self._drain.discard(launch)
        if self._last is not None:
            self._drain.add(self._last.server)
        self._drain.end_all()
        self._pid_file.unlink(missing_ok=True)
        self._history.stop()

    def status(self) -> dict[str, Any]:
        """The body of GET /live: the live server, warnings, and why the registry's version does not serve."""
        serving = (live := self.live) and {"url": live.server.url, **vars(live.identity)}
        warnings = self._registry.warnings()
        if self._history.behind:
            warnings.append(f"The serving history is {self._history.behind} rows behind")
        return {"serving": serving, "warnings": warnings, "problem": self.problem}


def _is_same(first: TargetVersion, second: TargetVersion) -> bool:
    return first.identity == second.identity


def _now() -> datetime:
    return datetime.now(UTC)
