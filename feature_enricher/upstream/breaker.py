"""A circuit breaker: a part that failed several times in a row is left alone for a moment, then tried by one call."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from feature_enricher.errors.upstream import Unavailable

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
        return "half_open" if self._trying or self._clock() >= self._try_at else "open"

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
