"""Connections to an online store, shared by many threads, each use bounded by its deadline."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from feature_store.deadline import Deadline


class OnlineReadError(Exception):
    """The online store could not be reached, closed the connection, or refused the query."""


class OnlineReadRefused(OnlineReadError):
    """The online store works and refused the query: the tables have changed."""


class OnlineReadTimeout(OnlineReadError, TimeoutError):
    """The deadline passed."""


class Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
T = TypeVar("T")


class DeadlinePool(Generic[C]):
    """Thread-safe. A connection that fails is closed, and its query runs once more on a new one."""

    def __init__(self, connect: Callable[[Deadline], C], max_connections: int) -> None:
        self._connect = connect
        self._free = threading.BoundedSemaphore(max_connections)
        self._idle: list[C] = []
        self._lock = threading.Lock()

    def run(self, query: Callable[[C], T], deadline: Deadline) -> T:
        """The result of `query`, which may run twice. Raises OnlineReadError."""
        if not self._free.acquire(timeout=deadline.left()):
            raise OnlineReadTimeout("No connection became free by the deadline")
        try:
            return self._run_on_any(query, deadline)
        finally:
            self._free.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _run_on_any(self, query: Callable[[C], T], deadline: Deadline) -> T:
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        if idle is not None:
            try:
                return self._run_on(idle, query)
            except OnlineReadTimeout:
                raise
            except OnlineReadError:
                pass  # it was cut while idle, or prepared for an older form of the tables: reading again is safe
        return self._run_on(self._connect(deadline), query)

    def _run_on(self, connection: C, query: Callable[[C], T]) -> T:
        try:
            result = query(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return result
