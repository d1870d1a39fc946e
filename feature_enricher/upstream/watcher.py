"""The watcher's word on which model server is live, asked for all the time and never in a request's own time.

The last known target stays in use while the watcher is away: model servers do not end with it.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from feature_enricher.errors.base import EnricherError, NoAnswer, reason
from feature_enricher.errors.requests import MissingFeatures
from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable, NoLiveModel, RolloutUnavailable
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import Model
from feature_enricher.upstream.targets import Target
from feature_store.deadline import Deadline

POLL_S = 0.2
# How long a request whose model server just went waits for the watcher's next word.
SETTLE_S = 0.5

log = logging.getLogger(__name__)


class Serving(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=())
    url: str
    model_name: str
    version: str
    run_id: str
    feature_service: str


class Live(BaseModel):
    model_config = ConfigDict(strict=True)
    serving: Serving | None
    warnings: list[str]
    problem: str | None


class Rollout:
    """Polls from start() to close(). Thread-safe: what is known is replaced in one assignment."""

    def __init__(
        self,
        upstream: Upstream,
        connect: Callable[[str], Model],
        prepare: Callable[[str], None] = lambda _service: None,
    ) -> None:
        """`connect` makes the client for a model server's address; `prepare` gets a feature list ready before use."""
        self._upstream = upstream
        self._connect = connect
        self._prepare = prepare
        self._live: Live | None = None
        self._target: Target | None = None
        self._away_since: float | None = None
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._heard = threading.Condition()
        self._words = 0

    def start(self) -> None:
        threading.Thread(target=self._poll, name="rollout", daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._wanted.set()

    def current(self, deadline: Deadline) -> Target:
        del deadline
        target, live = self._target, self._live
        if target is not None:
            return target
        if live is None:
            raise RolloutUnavailable("The watcher has not yet said which model server is live")
        raise NoLiveModel(live.problem or "No model server is live at the moment")

    def another(self, tried: Target, refusal: EnricherError, deadline: Deadline) -> Target:
        """Waits for the watcher's next word, asked for at once; the refusal stands when nothing has changed."""
        if not isinstance(refusal, ModelUnavailable) or isinstance(refusal, ModelRejected | NoLiveModel):
            raise refusal
        self._hear(deadline.within(SETTLE_S))
        current = self.current(deadline)
        if current == tried:
            raise refusal
        return current

    def recheck(self, tried: Target, missing: MissingFeatures) -> None:
        """The watcher's word is newer than any doubt."""

    def state(self) -> dict[str, Any]:
        live, away_since = self._live, self._away_since
        note = None
        if away_since is not None:
            note = f"The watcher has not answered for {time.monotonic() - away_since:.0f} s; its last word holds"
        told = live.model_dump() if live else {"serving": None, "warnings": [], "problem": None}
        return told | {"note": note}

    def _hear(self, until: Deadline) -> None:
        with self._heard:
            # the word on its way may be from before the failure: so, the one after it
            wanted = self._words + 2
            while self._words < wanted and not until.is_over():
                self._wanted.set()
                self._heard.wait(min(POLL_S, until.left()))

    def _poll(self) -> None:
        while not self._closing.is_set():
            try:
                self._take(Live.model_validate_json(self._ask()))
                self._away_since = None
            except Exception as error:  # noqa: BLE001 - nothing may end the polling; the state tells of it
                self._note_absence(error)
            with self._heard:
                self._words += 1
                self._heard.notify_all()
            self._wanted.wait(POLL_S)
            self._wanted.clear()

    def _ask(self) -> bytes:
        answer = self._upstream.get("/live")
        if answer.status != 200:  # noqa: PLR2004 - the status is the name
            raise NoAnswer(f"The watcher answered with status {answer.status}")
        return answer.body

    def _take(self, live: Live) -> None:
        for warning in live.warnings if self._live is None or live.warnings != self._live.warnings else ():
            log.warning("%s", warning)
        if live.problem and (self._live is None or live.problem != self._live.problem):
            log.error("%s", live.problem)
        self._turn_to(live.serving)
        self._live = live

    def _turn_to(self, serving: Serving | None) -> None:
        before = self._target
        if serving is None:
            self._target = None
        elif before is None or serving != _serving_of(before):
            self._prepare(serving.feature_service)
            self._target = Target(model=self._connect(serving.url), **serving.model_dump())
        if before is not self._target:
            log.warning("Turned from %s to %s", before, self._target)

    def _note_absence(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            kind = "answers what cannot be read" if isinstance(error, ValidationError) else "does not answer"
            log.warning("The watcher %s; its last word holds: %s", kind, reason(error))


def _serving_of(target: Target) -> Serving:
    return Serving.model_construct(
        url=target.url,
        model_name=target.model_name,
        version=target.version,
        run_id=target.run_id,
        feature_service=target.feature_service,
    )
