"""A circuit breaker: opens after several failures in a row, and lets one call through after a pause."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from feature_enricher.errors.upstream import Unavailable

FAILURES = 2
# Short: a server that recovers is used again well within five seconds.
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
        return "half_open" if self._trying or self._clock() >= self._try_at else "open"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """While open, raises the refusal instead of running the block. Errors with `counts_as_failure` are failures."""
        is_trial = self._let_pass()
        try:
            yield
        except Unavailable as error:
            self._failed() if error.counts_as_failure else self._succeeded()
            raise
        except BaseException:
            self._ended(is_trial)
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

    def _ended(self, is_trial: bool) -> None:
        """Neither success nor failure: after a trial call, the next call is the trial."""
        if is_trial:
            with self._lock:
                self._trying = False
