"""One kept-alive HTTP/1.1 connection, with as little work per request as asyncio allows."""

import asyncio
from typing import Any, cast

import httptools

Reply = tuple[int, bytes, float | None]
"""status, body, Retry-After in seconds"""


def request_bytes(host: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """For one request at a time. The names of the on_… methods are httptools'."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._retry_after: float | None = None

    async def ask(self, request: bytes) -> Reply:
        """Raises ConnectionError when the peer closes before the answer is complete."""
        if self._transport is None or self.closed:
            raise ConnectionResetError
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError(str(exc)))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_exception(ConnectionResetError(str(error)))

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
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)
