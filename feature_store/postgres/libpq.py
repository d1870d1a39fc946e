"""One connection to PostgreSQL whose every wait ends at a deadline: libpq's own calls, none of which blocks.

Host names are looked up here, in the thread that connects: libpq would hold Python's lock meanwhile, so that all
threads of the process wait for the name server.
"""

import select
import socket

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, PGconn, PollingStatus
from psycopg.pq.abc import PGresult

from feature_store.deadline import Deadline
from feature_store.pool import OnlineReadError, OnlineReadRefused, OnlineReadTimeout
from feature_store.settings import libpq_variable

# SQLSTATE's classes of a data exception and of an integrity constraint
OF_ROWS = (b"22", b"23")


class RowsRefused(OnlineReadRefused):
    """PostgreSQL refuses these rows; others it would take."""


class CopyUnconfirmed(OnlineReadError):
    """PostgreSQL got all rows of a COPY, and its answer did not arrive."""


class PostgresConnection:
    """Not thread-safe. Close it after any error."""

    def __init__(self, conninfo: str, deadline: Deadline) -> None:
        self._prepared: dict[bytes, bytes] = {}
        self._libpq = PGconn.connect_start(with_addresses(conninfo).encode())
        try:
            self._connect(deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._libpq.finish()

    def execute(self, statement: bytes, parameters: list[bytes | None], deadline: Deadline) -> PGresult:
        try:
            name = self._prepared.get(statement)
            if name is None:
                name = b"s%d" % len(self._prepared)
                self._libpq.send_prepare(name, statement)
                self._result(deadline, ExecStatus.COMMAND_OK)
                self._prepared[statement] = name
            self._libpq.send_query_prepared(name, parameters, result_format=Format.BINARY)
            return self._result(deadline, ExecStatus.TUPLES_OK)
        except Error as error:
            raise OnlineReadError(str(error)) from error

    def copy_in(self, statement: bytes, data: bytes, deadline: Deadline) -> None:
        """COPY … FROM STDIN. Raises OnlineReadError; CopyUnconfirmed where the rows may be stored all the same."""
        try:
            self._libpq.send_query(statement)
            self._result(deadline, ExecStatus.COPY_IN)
            while not self._libpq.put_copy_data(data):  # 0: no room to buffer it yet
                self._flush(deadline)
            self._flush(deadline)
            self._libpq.put_copy_end()
        except Error as error:
            raise OnlineReadError(str(error)) from error
        try:
            self._result(deadline, ExecStatus.COMMAND_OK)
        except OnlineReadRefused:
            raise
        except (OnlineReadError, Error) as error:
            raise CopyUnconfirmed(str(error)) from error

    def _connect(self, deadline: Deadline) -> None:
        while (step := self._poll()) != PollingStatus.OK:
            _wait(self._libpq.socket, select.POLLIN if step == PollingStatus.READING else select.POLLOUT, deadline)
        self._libpq.nonblocking = 1

    def _poll(self) -> int:
        if self._libpq.status == ConnStatus.BAD:
            raise OnlineReadError(self._libpq.get_error_message())
        step = self._libpq.connect_poll()
        if step == PollingStatus.FAILED:
            raise OnlineReadError(self._libpq.get_error_message())
        return step

    def _flush(self, deadline: Deadline) -> None:
        while self._libpq.flush():
            _wait(self._libpq.socket, select.POLLIN | select.POLLOUT, deadline)
            self._libpq.consume_input()

    def _result(self, deadline: Deadline, expected: ExecStatus) -> PGresult:
        self._flush(deadline)
        results: list[PGresult] = []
        while (result := self._next_result(deadline)) is not None:
            results.append(result)
            if result.status == ExecStatus.COPY_IN:  # the next one follows only after the data
                break
        if len(results) == 1 and results[0].status == expected:
            return results[0]
        message = results[0].get_error_message() if results else "no result"
        if self._libpq.status != ConnStatus.OK:
            raise OnlineReadError(message)
        state = results[0].error_field(DiagnosticField.SQLSTATE) if results else None
        raise (RowsRefused if state and state.startswith(OF_ROWS) else OnlineReadRefused)(message)

    def _next_result(self, deadline: Deadline) -> PGresult | None:
        while self._libpq.is_busy():
            _wait(self._libpq.socket, select.POLLIN, deadline)
            self._libpq.consume_input()
        return self._libpq.get_result()


def with_addresses(conninfo: str) -> str:
    """The conninfo with the addresses of its host, or of PGHOST's; unchanged for a socket's folder, for several hosts,
    and where it gives an address. Raises OnlineReadError for an unknown name."""
    parameters = conninfo_to_dict(conninfo)
    host = str(parameters.get("host") or libpq_variable("PGHOST") or "")
    if (
        not host
        or host.startswith(("/", "@"))
        or "," in host
        or parameters.get("hostaddr")
        or libpq_variable("PGHOSTADDR")
    ):
        return conninfo
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OnlineReadError(f"Host {host}: {error.strerror}") from error
    addresses = [str(entry[4][0]) for entry in entries]
    # the name stays: certificates and .pgpass name it
    return make_conninfo(conninfo, host=",".join([host] * len(addresses)), hostaddr=",".join(addresses))


def _wait(descriptor: int, events: int, deadline: Deadline) -> None:
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(descriptor, events)
    if not poll.poll(deadline.left() * 1000):
        raise OnlineReadTimeout("PostgreSQL did not answer by the deadline")
