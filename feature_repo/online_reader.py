"""Reads a service's features of many users from the online tables: one statement, one deadline, no pause after a cut.

Feast's own way asks once per view and spends 0.17 ms of Python on each user; a server that froze is waited for without
end, and a pool takes a second or more to replace connections that were cut. This speaks to libpq without blocking, so
that every wait ends at the deadline. tests/feature_repo/test_online_reader.py holds its answers to Feast's own.
"""

import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from psycopg import Error
from psycopg.pq import ConnStatus, ExecStatus, Format, PGconn, PollingStatus
from psycopg.pq.abc import PGresult

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MOMENTS_KEPT = 10_000


class OnlineReadError(Exception):
    """PostgreSQL could not be reached, went away, or refused the statement."""


class OnlineReadRefused(OnlineReadError):
    """PostgreSQL is well and refused the statement: the tables are not what they were."""


class OnlineReadTimeout(OnlineReadError, TimeoutError):
    """The deadline came first."""


@dataclass(frozen=True)
class Plan:
    """What is fixed about a service: its features in the model's order, and the statement that reads them."""

    service: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    """Feast's names of the features' types: Int64, Float64, Bool, String"""
    views: tuple[str, ...]
    """The view of each feature"""
    largest_age: Mapping[str, timedelta]
    """view -> how much older than the newest its values may be; a view without a limit is not in it"""
    statement: bytes
    newest_statement: bytes
    key_of: Callable[[str], bytes]
    value_of: Callable[[bytes], Any]


@dataclass(frozen=True)
class Found:
    """One user's values in the plan's order, None where there is none, and the event time of each view's values."""

    values: list[Any]
    event_times: dict[str, datetime]


class OnlineReader:
    """Thread-safe. Keeps connections for reuse; one that failed is closed, and the read made once more on a new one."""

    def __init__(self, conninfo: str = "") -> None:
        """`conninfo` as libpq takes it; what it leaves out comes from the PG… variables."""
        self._conninfo = conninfo.encode()
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def read(self, plan: Plan, user_ids: Sequence[str], until: float) -> list[Found]:
        """One per user, in order. `until` is a time.monotonic(). Raises OnlineReadError."""
        keys = [plan.key_of(user_id) for user_id in user_ids]
        return _found(plan, keys, self._ask(plan.statement, [_bytea_array(keys)], until))

    def newest(self, plan: Plan, until: float) -> datetime | None:
        """The newest event time among all users' values, None while nothing is online."""
        moment = self._ask(plan.newest_statement, [], until).get_value(0, 0)
        return None if moment is None else _moment(moment)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, statement: bytes, parameters: list[bytes | None], until: float) -> PGresult:
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._ask_on(kept, statement, parameters, until)
            except OnlineReadTimeout:
                raise
            except OnlineReadError:
                pass  # it was cut while idle, or knows an older form of the tables: reading once more is safe
        return self._ask_on(_Connection(self._conninfo, until), statement, parameters, until)

    def _ask_on(
        self, connection: "_Connection", statement: bytes, parameters: list[bytes | None], until: float
    ) -> PGresult:
        try:
            result = connection.ask(statement, parameters, until)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return result


class _Connection:
    def __init__(self, conninfo: bytes, until: float) -> None:
        self._prepared: dict[bytes, bytes] = {}
        self._libpq = PGconn.connect_start(conninfo)
        try:
            self._connect(until)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._libpq.finish()

    def ask(self, statement: bytes, parameters: list[bytes | None], until: float) -> PGresult:
        try:
            name = self._prepared.get(statement)
            if name is None:
                name = b"s%d" % len(self._prepared)
                self._libpq.send_prepare(name, statement)
                self._result(until, ExecStatus.COMMAND_OK)
                self._prepared[statement] = name
            self._libpq.send_query_prepared(name, parameters, result_format=Format.BINARY)
            return self._result(until, ExecStatus.TUPLES_OK)
        except Error as error:
            raise OnlineReadError(str(error)) from error

    def _connect(self, until: float) -> None:
        while (step := self._poll()) != PollingStatus.OK:
            _wait(self._libpq.socket, select.POLLIN if step == PollingStatus.READING else select.POLLOUT, until)
        self._libpq.nonblocking = 1

    def _poll(self) -> int:
        if self._libpq.status == ConnStatus.BAD:
            raise OnlineReadError(self._libpq.get_error_message())
        step = self._libpq.connect_poll()
        if step == PollingStatus.FAILED:
            raise OnlineReadError(self._libpq.get_error_message())
        return step

    def _result(self, until: float, wanted: ExecStatus) -> PGresult:
        while self._libpq.flush():
            _wait(self._libpq.socket, select.POLLIN | select.POLLOUT, until)
            self._libpq.consume_input()
        results = []
        while (result := self._next_result(until)) is not None:
            results.append(result)
        if len(results) == 1 and results[0].status == wanted:
            return results[0]
        message = results[0].get_error_message() if results else "no result"
        lives = self._libpq.status == ConnStatus.OK
        raise OnlineReadRefused(message) if lives else OnlineReadError(message)

    def _next_result(self, until: float) -> PGresult | None:
        while self._libpq.is_busy():
            _wait(self._libpq.socket, select.POLLIN, until)
            self._libpq.consume_input()
        return self._libpq.get_result()


def _wait(descriptor: int, events: int, until: float) -> None:
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(descriptor, events)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
        raise OnlineReadTimeout("PostgreSQL did not answer by the deadline")


def _bytea_array(keys: Sequence[bytes]) -> bytes:
    return b"{" + b",".join(b'"\\\\x' + key.hex().encode() + b'"' for key in keys) + b"}"


@lru_cache(MOMENTS_KEPT)
def _moment(binary: bytes) -> datetime:
    return POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(binary, "big", signed=True))


def _found(plan: Plan, keys: Sequence[bytes], result: PGresult) -> list[Found]:
    position = {name.encode(): i for i, name in enumerate(plan.names)}
    found = {key: Found([None] * len(position), {}) for key in keys}
    value_at, value_of = result.get_value, plan.value_of
    for row in range(result.ntuples):
        user = found[value_at(row, 0) or b""]
        i = position[value_at(row, 1) or b""]
        user.values[i] = value_of(value_at(row, 2) or b"")
        view, moment = plan.views[i], _moment(value_at(row, 3) or b"")
        if moment < user.event_times.setdefault(view, moment):
            user.event_times[view] = moment
    return [found[key] for key in keys]
