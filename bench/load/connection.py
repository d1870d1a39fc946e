"""One kept-alive HTTP/1.1 connection, with as little work per request as asyncio allows."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools

Reply = tuple[int, bytes, float | None]
"""status, body, Retry-After in seconds"""

NO_ANSWER = 0  # status of a request whose connection broke, or that got no answer within the time limit


def request_bytes(host: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class ClientConnection(asyncio.Protocol):
    """For one request at a time. The names of the on_… methods are httptools'."""

    def __init__(self, on_reply: Callable[["ClientConnection", Reply], None]) -> None:
        """`on_reply` is called once per request: with its reply, or with status NO_ANSWER and a reason."""
        self.closed = False
        self._on_reply = on_reply
        self._is_waiting = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._retry_after: float | None = None

    def send(self, request: bytes) -> None:
        self._is_waiting = True
        if self._transport is None or self.closed:
            self._end((NO_ANSWER, b"ConnectionResetError", None))
        else:
            self._transport.write(request)

    def give_up(self) -> None:
        """Closes the connection: a late answer would be mistaken for the next request's."""
        self.close()
        self._end((NO_ANSWER, b"time limit", None))

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True
        self._end((NO_ANSWER, b"ConnectionResetError", None))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._end((NO_ANSWER, b"ConnectionResetError", None))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        reply = (self._parser.get_status_code(), b"".join(self._chunks), self._retry_after)
        if not self._parser.should_keep_alive():
            self.close()
        self._chunks, self._retry_after = [], None
        self._end(reply)

    def _end(self, reply: Reply) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._on_reply(self, reply)
