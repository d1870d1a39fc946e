"""Connections to an online store, kept for reuse by many threads, each use within its deadline."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class OnlineReadError(Exception):
    """The online store could not be reached, went away, or refused what was asked."""


class OnlineReadRefused(OnlineReadError):
    """The online store is well and refused what was asked: the tables are not what they were."""


class OnlineReadTimeout(OnlineReadError, TimeoutError):
    """The deadline came first."""


class Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
T = TypeVar("T")


class Connections(Generic[C]):
    """Thread-safe. One that failed is closed, and what was asked of it asked once more on a new one."""

    def __init__(self, connect: Callable[[float], C], most: int) -> None:
        """`connect` is given the time.monotonic() by which it has to be done."""
        self._connect = connect
        self._free = threading.BoundedSemaphore(most)
        self._idle: list[C] = []
        self._lock = threading.Lock()

    def ask(self, question: Callable[[C], T], until: float) -> T:
        """What `question` answers, which may be asked twice. Raises OnlineReadError."""
        if not self._free.acquire(timeout=max(0.0, until - time.monotonic())):
            raise OnlineReadTimeout("No connection became free by the deadline")
        try:
            return self._ask_somewhere(question, until)
        finally:
            self._free.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask_somewhere(self, question: Callable[[C], T], until: float) -> T:
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._ask_on(kept, question)
            except OnlineReadTimeout:
                raise
            except OnlineReadError:
                pass  # it was cut while idle, or knows an older form of the tables: reading once more is safe
        return self._ask_on(self._connect(until), question)

    def _ask_on(self, connection: C, question: Callable[[C], T]) -> T:
        try:
            answer = question(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return answer
