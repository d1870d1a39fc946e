"""HTTP calls to one server: pooled connections, a deadline per call, one retry on a stale connection."""

import io
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urlencode
from weakref import finalize

import orjson

from configuration.model_address import connector, url_path
from feature_enricher.errors.base import NoAnswer
from feature_store.deadline import Deadline

CHUNK_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
JSON_HEADERS = {"Content-Type": "application/json"}
# A kept-alive connection that the server has closed
CLOSED_UNANSWERED = (RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """Raises ValueError, also for NaN and Infinity, which Python's parser accepts."""
        return orjson.loads(self.body)


class Upstream:
    """Thread-safe. Ignores proxies and .netrc, which are for servers outside.

    Uses http.client: with urllib3's pool, a call took twice the processor time (docs/decisions/0061).
    """

    def __init__(self, url: str, timeout_s: float, connections: int, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._connect = connector(url, tls)
        self._path = url_path(url)
        self._idle: deque[HTTPConnection] = deque()
        finalize(self, _close_all, self._idle)
        self._most_idle = connections

    def get(self, path: str, deadline: Deadline | None = None, **query: str) -> Answer:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, None, deadline)

    def post(self, path: str, payload: object, deadline: Deadline | None = None) -> Answer:
        return self._call("POST", path, orjson.dumps(payload), deadline)

    def close(self) -> None:
        """Closes idle connections. Happens by itself when the last reference to this object is gone."""
        _close_all(self._idle)

    def _call(self, method: str, path: str, body: bytes | None, deadline: Deadline | None) -> Answer:
        """Only for calls without side effects: on a stale connection, the call is made twice. Raises NoAnswer."""
        limited = deadline.within(self._timeout_s) if deadline else Deadline.after(self._timeout_s)
        try:
            try:
                return self._call_once(self._take_idle(), method, path, body, limited)
            except CLOSED_UNANSWERED:
                # other idle connections may be closed, too
                return self._call_once(self._connect(), method, path, body, limited)
        except (HTTPException, OSError) as error:
            raise NoAnswer(f"{method} {self._url}{path}") from error

    def _call_once(
        self, connection: HTTPConnection, method: str, path: str, body: bytes | None, deadline: Deadline
    ) -> Answer:
        if deadline.is_over():
            connection.close()
            raise NoAnswer(f"No time left to call {self._url}{path}")
        try:
            connection.timeout = deadline.left()
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            connection.response_class = partial(_response, deadline)  # type: ignore[assignment] # it is only called
            connection.request(method, self._path + path, body, JSON_HEADERS if body is not None else {})
            response = connection.getresponse()
            answer = Answer(response.status, _body_of(response))
        except BaseException:
            connection.close()  # the next caller must not read the rest of this answer
            raise
        self._keep(connection)
        return answer

    def _take_idle(self) -> HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _keep(self, connection: HTTPConnection) -> None:
        if len(self._idle) < self._most_idle:
            self._idle.append(connection)  # http.client reconnects if the server has closed it
        else:
            connection.close()


class _SocketUntil(io.RawIOBase):
    """A socket that ends each read at the deadline. Its own timeout would limit each read anew, so that an answer of
    single bytes would have no limit."""

    def __init__(self, deadline: Deadline, connected: socket.socket) -> None:
        self._deadline = deadline
        self._socket = connected
        self._file = connected.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline.is_over():
            raise TimeoutError("The answer was not complete by the deadline")
        self._socket.settimeout(self._deadline.left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _response(deadline: Deadline, connected: socket.socket, **options: Any) -> HTTPResponse:
    return HTTPResponse(_SocketUntil(deadline, connected), **options)  # type: ignore[arg-type] # it only calls makefile()


def _body_of(response: HTTPResponse) -> bytes:
    body = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswer(f"The answer is longer than {MAX_ANSWER_BYTES} bytes")
    if response.length:  # read1() does not report that the body ended early
        raise IncompleteRead(bytes(body), response.length)
    response.close()  # otherwise the connection refuses the next request
    return bytes(body)


def _close_all(connections: deque[HTTPConnection]) -> None:
    while connections:
        connections.pop().close()
