"""Polls the watcher for the live model server, in the background: requests do not wait for it.

While the watcher does not answer, the last target stays in use: model servers run on without the watcher.
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
from feature_enricher.upstream.answer_counter import AnswerReporter
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient
from feature_enricher.upstream.targets import ModelTarget
from feature_store.deadline import Deadline

POLL_S = 0.2
# How long a request whose model server just failed waits for the watcher's next status.
SETTLE_S = 0.5

log = logging.getLogger(__name__)


class LiveVersion(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=())
    url: str
    model_name: str
    version: str
    run_id: str
    feature_service: str


class WatcherStatus(BaseModel):
    model_config = ConfigDict(strict=True)
    serving: LiveVersion | None
    warnings: list[str]
    problem: str | None


class WatcherClient:
    """Polls from start() to close(). Thread-safe: status and target are each replaced in one assignment."""

    def __init__(
        self,
        upstream: Upstream,
        connect: Callable[[str], ModelServerClient],
        prepare: Callable[[str], None] = lambda _service: None,
    ) -> None:
        """connect: from a model server's address to its client. prepare: loads a feature list before its first use."""
        self._upstream = upstream
        self._connect = connect
        self._prepare = prepare
        self._status: WatcherStatus | None = None
        self._target: ModelTarget | None = None
        self._model: ModelServerClient | None = None  # the target's
        self._reporter = AnswerReporter(upstream)
        self._silent_since: float | None = None
        self._poll_now, self._closing = threading.Event(), threading.Event()
        self._polled = threading.Condition()
        self._polls = 0

    def start(self) -> None:
        threading.Thread(target=self._poll, name="rollout", daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._poll_now.set()

    def current(self, deadline: Deadline) -> ModelTarget:
        del deadline
        target, status = self._target, self._status
        if target is not None:
            return target
        if status is None:
            raise RolloutUnavailable("The watcher has not yet named a live model server")
        raise NoLiveModel(status.problem or "No model server is live at the moment")

    def alternative(self, tried: ModelTarget, refusal: EnricherError, deadline: Deadline) -> ModelTarget:
        """Polls at once and waits for the watcher's next status. Raises the refusal if the target is still the same."""
        if not isinstance(refusal, ModelUnavailable) or isinstance(refusal, ModelRejected | NoLiveModel):
            raise refusal
        self._await_next_status(deadline.within(SETTLE_S))
        current = self.current(deadline)
        if current == tried:
            raise refusal
        return current

    def recheck(self, tried: ModelTarget, missing: MissingFeatures) -> None:
        """Needs nothing: the watcher is polled all the time."""

    def state(self) -> dict[str, Any]:
        status, silent_since = self._status, self._silent_since
        note = None
        if silent_since is not None:
            note = (
                f"The watcher has not answered for {time.monotonic() - silent_since:.0f} s; its last status is in use"
            )
        shown = status.model_dump() if status else {"serving": None, "warnings": [], "problem": None}
        return shown | {"note": note}

    def _await_next_status(self, deadline: Deadline) -> None:
        with self._polled:
            # the answer in flight may be older than the failure: wait for the one after it
            enough = self._polls + 2
            while self._polls < enough and not deadline.is_over():
                self._poll_now.set()
                self._polled.wait(min(POLL_S, deadline.left()))

    def _poll(self) -> None:
        while not self._closing.is_set():
            try:
                self._apply(WatcherStatus.model_validate_json(self._fetch()))
                self._silent_since = None
                self._report_answers()
            except Exception as error:  # noqa: BLE001 - nothing may end the polling; state() shows it
                self._note_silence(error)
            with self._polled:
                self._polls += 1
                self._polled.notify_all()
            self._poll_now.wait(POLL_S)
            self._poll_now.clear()

    def _fetch(self) -> bytes:
        answer = self._upstream.get("/live")
        if answer.status != 200:  # noqa: PLR2004 - the status is the name
            raise NoAnswer(f"The watcher answered with status {answer.status}")
        return answer.body

    def _apply(self, status: WatcherStatus) -> None:
        for warning in status.warnings if self._status is None or status.warnings != self._status.warnings else ():
            log.warning("%s", warning)
        if status.problem and (self._status is None or status.problem != self._status.problem):
            log.error("%s", status.problem)
        self._switch_to(status.serving)
        self._status = status

    def _switch_to(self, version: LiveVersion | None) -> None:
        before = self._target
        if version is None:
            self._target = None
        elif before is None or version != _version_of(before):
            self._prepare(version.feature_service)
            self._model = self._connect(version.url)
            self._target = ModelTarget(model=self._model, **version.model_dump())
        if before is not self._target:
            log.warning("Switched from %s to %s", before, self._target)

    def _report_answers(self) -> None:
        if self._target is not None and self._model is not None:
            self._reporter.send(self._target.url, self._model.answers)

    def _note_silence(self, error: Exception) -> None:
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            fault = "returned an invalid answer" if isinstance(error, ValidationError) else "does not answer"
            log.warning("The watcher %s; its last status is in use: %s", fault, reason(error))


def _version_of(target: ModelTarget) -> LiveVersion:
    return LiveVersion.model_construct(
        url=target.url,
        model_name=target.model_name,
        version=target.version,
        run_id=target.run_id,
        feature_service=target.feature_service,
    )
