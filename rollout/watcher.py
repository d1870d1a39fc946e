"""Keeps one right model server live. Everything here happens in one thread, in short steps; what takes time has
threads of its own (registry, bring-up, history)."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rollout import processes
from rollout.backoff import Pauses
from rollout.model_server.drain import Drain
from rollout.model_server.launch import BringUp, Up
from rollout.model_server.liveness import Liveness
from rollout.model_server.server import ModelServer
from rollout.recorder import History
from rollout.registry import RegistryPoll, Wanted
from rollout.settings import Settings
from steps.warehouse import Cutover

STEP_S = 0.1
# Some clients archive the old version first and promote the new one then; in between nothing is in the stage.
WITHDRAWAL_GRACE_S = 10.0

log = logging.getLogger(__name__)

MakeBringUp = Callable[[Settings, Wanted, ModelServer | None], BringUp]


class Watcher:
    def __init__(
        self, settings: Settings, registry: RegistryPoll, history: History, bring_up: MakeBringUp = BringUp
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._history = history
        self._bring_up = bring_up
        self.live: Up | None = None
        self._last: Up | None = None  # the last one that was live: what is restarted when it dies
        self._coming: BringUp | None = None  # the registry's version
        self._restarting: BringUp | None = None  # the last one, again
        self._drain = Drain(settings.drain_s)
        self._pauses = Pauses()
        self._liveness = Liveness(settings.silence_s)
        self._served: set[object] = set()  # what they were, not their numbers
        self.problem: str | None = None
        self._remembered: list[int] = []
        self._own_processes = settings.folder / "servers.json"

    def run(self, is_over: Callable[[], bool]) -> None:
        """Until is_over; leaves no process behind."""
        left = processes.end_remembered(self._own_processes)
        if left:
            log.warning("Ended %d processes that a killed watcher had left behind", left)
        try:
            while not is_over():
                self.step()
                time.sleep(STEP_S)
        finally:
            self._stop()

    def step(self) -> None:
        self._remember()
        self._drain.end_what_is_due()
        self._notice_death()
        self._follow_registry()
        self._keep_alive()

    def _follow_registry(self) -> None:
        wanted = self._registry.wanted
        if self._coming is not None and not (wanted and _same(wanted, self._coming.wanted)):
            self._drain.discard(self._coming)
            self._coming = None
        if wanted is None:
            self._withdraw_after_a_while()
            return
        if self._coming is not None and self._coming.done:
            self._take(self._coming)
            self._coming = None
        is_new = self._last is None or not _same(wanted, self._last.wanted)
        if not is_new and self.live is not None:
            self.problem = None  # a version that was not fit is no longer wanted
        if is_new and self._coming is None and self._pauses.over(wanted):
            self._coming = self._begun(wanted)

    def _keep_alive(self) -> None:
        """Restarts what was live and died, or fell silent, whatever else is on its way."""
        is_fine = self.live is not None and not self._liveness.is_silent
        if self._restarting is not None and (
            self._last is None or not _same(self._restarting.wanted, self._last.wanted)
        ):
            self._drain.discard(self._restarting)  # another version took its place
            self._restarting = None
        if self._restarting is not None and self._restarting.done:
            self._take(self._restarting)
            self._restarting = None
        elif (
            self._restarting is None and self._last is not None and not is_fine and self._pauses.over(self._last.wanted)
        ):
            self._restarting = self._begun(self._last.wanted)

    def _begun(self, wanted: Wanted) -> BringUp:
        log.info("Starting a model server for version %s", wanted.version)
        copy_of = self._last.server if self._last and _same(wanted, self._last.wanted) else None
        attempt = self._bring_up(self._settings, wanted, copy_of)
        attempt.start()
        return attempt

    def _take(self, attempt: BringUp) -> None:
        if attempt.result is not None:
            self._turn_to(attempt.result)
            return
        self._pauses.note(attempt.wanted)
        self.problem = f"Version {attempt.wanted.version} was not turned to: {attempt.reason}"
        log.error("%s", self.problem)

    def _turn_to(self, new: Up) -> None:
        before = self._last
        self.live = self._last = new  # the one step: from here on /live names the new one
        self._liveness.watch(new.server)
        self.problem = None
        self._record(new, self._reason(new, before), before)
        log.info("Version %s serves at %s", new.wanted.version, new.server.url)
        if before is not None:  # also one that died: a worker of it may be left
            self._drain.add(before.server)

    def _reason(self, new: Up, before: Up | None) -> str:
        if before is None:
            return "start"
        if _same(before.wanted, new.wanted):
            return "restart"
        return "rollback" if new.wanted.identity in self._served else "promotion"

    def _record(self, new: Up, reason: str, before: Up | None) -> None:
        self._served.add(new.wanted.identity)
        came_from = before.wanted.version if before else None
        self._history.add(
            Cutover(_now(), new.wanted.version, new.identity.run_id, new.wanted.dataset_sha256, came_from, reason)
        )

    def _notice_death(self) -> None:
        if self.live is None or not self.live.server.ended():
            return
        gone = self.live
        reason = f"the model server ended with {gone.server.fate()}"
        self.live = None
        self.problem = f"Version {gone.wanted.version}: {reason}; it is being restarted"
        log.error("%s. %s", self.problem, gone.server.log_tail())
        self._pauses.note(gone.wanted)
        self._history.add(Cutover(_now(), None, None, None, gone.wanted.version, reason))

    def _withdraw_after_a_while(self) -> None:
        since = self._registry.none_since
        if self._last is None or since is None or time.monotonic() - since < WITHDRAWAL_GRACE_S:
            return
        reason = f"nothing is in {self._settings.stage}"
        log.warning("Version %s no longer serves: %s", self._last.wanted.version, reason)
        if self.live is not None:
            self._history.add(Cutover(_now(), None, None, None, self._last.wanted.version, reason))
        self._drain.add(self._last.server)
        self.live = self._last = self.problem = None

    def _remember(self) -> None:
        """For the watcher after this one, should this one be killed."""
        attempts = [attempt.server for attempt in (self._coming, self._restarting) if attempt]
        servers = [*attempts, *self._drain.servers, *([self._last.server] if self._last else [])]
        pids = [server.pid for server in servers if server.pid]
        if pids != self._remembered:
            processes.remember(self._own_processes, pids)
            self._remembered = pids

    def _stop(self) -> None:
        if self.live is not None:
            self._history.add(Cutover(_now(), None, None, None, self.live.wanted.version, "stop"))
        for attempt in filter(None, (self._coming, self._restarting)):
            self._drain.discard(attempt)
        if self._last is not None:
            self._drain.add(self._last.server)
        self._drain.end_all()
        self._own_processes.unlink(missing_ok=True)
        self._history.stop()

    def says(self) -> dict[str, Any]:
        """What /live answers: who serves, what somebody should know, and why a wanted version does not serve."""
        live = self.live
        serving = None if live is None else {"url": live.server.url, **vars(live.identity)}
        warnings = self._registry.warnings()
        if self._history.behind:
            warnings.append(f"The serving history is {self._history.behind} rows behind")
        return {"serving": serving, "warnings": warnings, "problem": self.problem}


def _same(one: Wanted, other: Wanted) -> bool:
    return one.identity == other.identity


def _now() -> datetime:
    return datetime.now(UTC)
