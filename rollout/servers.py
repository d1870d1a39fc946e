"""The model servers that run: the live one, the one before it during a probation, and those that are ending."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from rollout.model_server.drain import Drain
from rollout.model_server.launch import ReadyServer
from rollout.model_server.liveness import Liveness
from rollout.model_server.server import ModelServer
from rollout.probation.answers import ReportedAnswers
from rollout.probation.probation import Probation
from rollout.probation.way_back import WayBack
from rollout.recorder import HistoryRecorder
from rollout.registry import TargetVersion
from rollout.settings import Settings
from steps.warehouse import Cutover

PROMOTION = "promotion"

log = logging.getLogger(__name__)


class Servers:
    def __init__(
        self, settings: Settings, history: HistoryRecorder, way_back: WayBack, answers: ReportedAnswers
    ) -> None:
        self._settings = settings
        self._history = history
        self._way_back = way_back
        self._served: set[object] = set()  # identities: a version's number can be reused
        self.probation = Probation(settings, answers)
        self.drain = Drain(settings.drain_s)
        self.liveness = Liveness(settings.silence_s)
        self.live: ReadyServer | None = None
        self.last: ReadyServer | None = None  # the last live server: restarted when it dies

    @property
    def is_healthy(self) -> bool:
        return self.live is not None and not self.liveness.is_unresponsive

    @property
    def pids(self) -> list[int]:
        ready = [ready.server for ready in (self.last, self.probation.held) if ready]
        return [server.pid for server in (*self.drain.servers, *ready) if server.pid]

    def is_last(self, target: TargetVersion) -> bool:
        return self.last is not None and self.last.target.identity == target.identity

    def switch_to(self, new: ReadyServer) -> None:
        previous = self.last
        self.live = self.last = new  # from here on /live names the new server
        self.liveness.monitor(new.server)
        reason = self._reason(new.target, previous.target if previous else None)
        self._served.add(new.target.identity)
        self._record(new, previous, reason)
        log.info("Version %s serves at %s", new.target.version, new.server.url)
        # even one that died: one of its workers may still run
        self._end(self.probation.switched(previous, new, is_promotion=reason == PROMOTION))

    def judge_promotion(self) -> None:
        """Turn back from a promoted version that fails; end the old server once the new one has proved itself."""
        if self.live is None or not self.probation.is_of(self.live):
            return
        if self.liveness.is_unresponsive:
            self._turn_back(self.live, f"it has not answered for {self._settings.silence_s:g} s")
        elif reason := self.probation.objection():
            self._turn_back(self.live, reason)
        else:
            self._end(self.probation.end_if_over())

    def notice_death(self) -> tuple[TargetVersion, str] | None:
        """The version whose live server has ended, and how, if nothing serves from then on."""
        if self.live is None or not self.live.server.ended():
            return None
        dead = self.live
        reason = f"the model server ended with {dead.server.exit_reason()}"
        log.error("Version %s: %s. %s", dead.target.version, reason, dead.server.log_tail())
        if self.probation.is_of(dead):  # a restart would take seconds, and the next death might follow
            self._turn_back(dead, reason)
        if self.live is not dead:
            return None
        self.live = None
        self._record(None, dead, reason)
        return dead.target, reason

    def withdraw(self, reason: str) -> None:
        """End all of them."""
        if self.live is not None:
            self._record(None, self.live, reason)
        self._end([*([self.last.server] if self.last else []), *self.probation.end()])
        self.live = self.last = None

    def _turn_back(self, new: ReadyServer, reason: str) -> None:
        held = self.probation.held
        if held is None:
            return
        log.error("Version %s is turned back to version %s: %s", new.target.version, held.target.version, reason)
        self._served.discard(new.target.identity)  # the next time it is promoted, it is on probation again
        self._way_back.turn(new.target, held.target, reason, self.probation.figures())
        if held.server.ended():  # it is launched again; until then the new version's server answers, if it runs
            self._end(self.probation.end())
        else:
            self.switch_to(held)

    def _reason(self, new: TargetVersion, previous: TargetVersion | None) -> str:
        if previous is None:
            return "start"
        if previous.identity == new.identity:
            return "restart"
        if turned_back := self._way_back.reason_against(previous):
            return f"turned back: {turned_back}"
        is_older = new.created_ms < previous.created_ms
        return "rollback" if is_older or new.identity in self._served else PROMOTION

    def _record(self, new: ReadyServer | None, previous: ReadyServer | None, reason: str) -> None:
        from_version = previous.target.version if previous else None
        version = new.target.version if new else None
        run_id, dataset_sha256 = (new.identity.run_id, new.dataset_sha256) if new else (None, None)
        self._history.add(Cutover(datetime.now(UTC), version, run_id, dataset_sha256, from_version, reason))

    def _end(self, servers: Iterable[ModelServer]) -> None:
        for server in servers:
            self.drain.add(server)
