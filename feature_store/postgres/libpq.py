"""One connection to PostgreSQL whose every wait ends at a deadline: libpq's own calls, none of which blocks."""

import select
import time

from psycopg import Error
from psycopg.pq import ConnStatus, ExecStatus, Format, PGconn, PollingStatus
from psycopg.pq.abc import PGresult

from feature_store.pool import OnlineReadError, OnlineReadRefused, OnlineReadTimeout


class Connection:
    """Not thread-safe. After any error it is to be closed. `until` is a time.monotonic()."""

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
