"""A circuit breaker: a part that failed several times in a row is left alone for a moment, then tried by one call."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from feature_enricher.deadline import Deadline
from feature_enricher.errors import ModelCircuitOpen, StoreCircuitOpen, Unavailable
from feature_enricher.features import Features
from feature_enricher.model import Model, Said
from feature_repo.online_reader import Found, Plan

FAILURES = 2
# Half a second: a part that is back is used again well within five.
PAUSE_S = 0.5


class Breaker:
    """Closed: calls pass. Open: they fail at once. Half open, after a pause: one call passes and decides."""

    def __init__(
        self,
        refusal: Callable[[], Unavailable],
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._refusal = refusal
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._try_at = 0.0
        self._trying = False

    @property
    def state(self) -> str:
        if self._failures < self._limit:
            return "closed"
        return "half open" if self._trying or self._clock() >= self._try_at else "open"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raises the refusal instead of running the block, while open. Only what blames the part is a failure."""
        tries = self._let_pass()
        try:
            yield
        except Unavailable as error:
            self._failed() if error.blames_part else self._succeeded()
            raise
        except BaseException:
            self._ended(tries)
            raise
        self._succeeded()

    def _let_pass(self) -> bool:
        with self._lock:
            if self._failures < self._limit:
                return False
            if self._trying or self._clock() < self._try_at:
                raise self._refusal()
            self._trying = True
            return True

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._trying = False
            self._try_at = self._clock() + self._pause_s

    def _succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._trying = False

    def _ended(self, tries: bool) -> None:
        """Neither a success nor a failure of the part: who tried gives way to the next one."""
        if tries:
            with self._lock:
                self._trying = False


class GuardedFeatures:
    """The feature store behind a breaker of its own."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self.breaker = Breaker(lambda: StoreCircuitOpen("The feature store did not answer several times in a row"))

    def plan(self, service: str, deadline: Deadline) -> Plan:
        return self._features.plan(service, deadline)

    def lookup(self, service: str, user_ids: Sequence[str], deadline: Deadline) -> tuple[Plan, list[Found]]:
        with self.breaker.guard():
            return self._features.lookup(service, user_ids, deadline)


class GuardedModel:
    """One model server behind a breaker of its own: the next version is not blamed for this one."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.breaker = Breaker(lambda: ModelCircuitOpen("The model server did not answer several times in a row"))

    def predict(self, rows: Sequence[Mapping[str, Any]], deadline: Deadline) -> Sequence[Said]:
        with self.breaker.guard():
            return self._model.predict(rows, deadline)

    def ping(self, deadline: Deadline) -> None:
        self._model.ping(deadline)
