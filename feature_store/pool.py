"""Connections to an online store, shared by many threads, each use bounded by its deadline."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from feature_store import background
from feature_store.deadline import Deadline

if TYPE_CHECKING:
    from concurrent.futures import Future


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
        return self._run_on(connect_by(deadline, self._connect), query)

    def _run_on(self, connection: C, query: Callable[[C], T]) -> T:
        try:
            result = query(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return result


def connect_by(deadline: Deadline, connect: Callable[[Deadline], C]) -> C:
    """A new connection, made in a thread of its own: a host's name is looked up without a time limit."""
    connecting = background.begin(partial(connect, deadline))
    try:
        return connecting.result(deadline.left())
    except OnlineReadError:
        raise
    except TimeoutError as error:
        connecting.add_done_callback(_close_late)
        raise OnlineReadTimeout("No connection could be made by the deadline") from error


def _close_late(connecting: "Future[C]") -> None:
    if connecting.exception() is None:
        connecting.result().close()
