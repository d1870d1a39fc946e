"""The time after a promotion in which the old server waits beside the new one."""

import time
from dataclasses import dataclass

from rollout.model_server.launch import ReadyServer
from rollout.model_server.server import ModelServer
from rollout.probation.answers import ReportedAnswers
from rollout.probation.judgement import objection
from rollout.registry import TargetVersion
from rollout.settings import Settings


@dataclass(frozen=True)
class _Trial:
    held: ReadyServer
    new: ReadyServer
    until: float


class Probation:
    def __init__(self, settings: Settings, answers: ReportedAnswers) -> None:
        self._settings = settings
        self._answers = answers
        self._trial: _Trial | None = None

    @property
    def held(self) -> ReadyServer | None:
        """The server of the last version that stood its probation, while a newer one is in it."""
        return self._trial.held if self._trial else None

    def warm(self, target: TargetVersion) -> ReadyServer | None:
        """The held server if it is the target's and runs."""
        held = self.held
        return held if held and held.target.identity == target.identity and not held.server.ended() else None

    def switched(self, previous: ReadyServer | None, new: ReadyServer, *, is_promotion: bool) -> list[ModelServer]:
        """Begins the probation of a promoted version and ends any other. Returns the servers to end."""
        candidates = [ready for ready in (self.held, previous) if ready and ready.server is not new.server]
        running = [ready for ready in candidates if not ready.server.ended()]
        self._trial = None
        if is_promotion and running and self._settings.probation_s:
            self._trial = _Trial(running[0], new, time.monotonic() + self._settings.probation_s)
        released = [ready.server for ready in candidates if ready is not self.held]
        for server in released:
            self._answers.forget(server.url)
        self._answers.expect(new.server.url, new.server.answers_key)  # maybe at the port of a released one
        return released

    def is_of(self, ready: ReadyServer) -> bool:
        return self._trial is not None and self._trial.new is ready

    def end(self) -> list[ModelServer]:
        """Returns the servers to end."""
        trial, self._trial = self._trial, None
        if trial is None:
            return []
        self._answers.forget(trial.held.server.url)
        return [trial.held.server]

    def end_if_over(self) -> list[ModelServer]:
        """Returns the servers to end."""
        return self.end() if self._trial and time.monotonic() >= self._trial.until else []

    def objection(self) -> str | None:
        """Why the new version's answers, as the gateways report them, are a reason to turn back; or None."""
        if self._trial is None:
            return None
        new, old = (self._answers.of(ready.server.url) for ready in (self._trial.new, self._trial.held))
        return objection(new, old, self._settings)

    def figures(self) -> dict[str, float | int | str | None]:
        """What decided, for the decision's record."""
        if self._trial is None:
            return {}
        new, old = (self._answers.of(ready.server.url) for ready in (self._trial.new, self._trial.held))
        return vars(new) | {f"{name}_before": value for name, value in vars(old).items()}
