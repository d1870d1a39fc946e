"""Bodies of requests and answers: read and sent within a time, and within what all of them may hold of memory."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from feature_enricher.errors.requests import RequestRefused
from feature_enricher.errors.upstream import Overloaded

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

READ_TIMEOUT_S = 5.0
"""For a request's whole body, from the end of its head"""
SEND_TIMEOUT_S = 60.0
"""For a large answer. A small one fits into the buffers of the connection"""
# Small bodies are bounded by the number of connections. What larger ones hold together is bounded here.
SMALL_BYTES = 16 * 1024
MOST_LARGE_BYTES = 256 * 1024 * 1024
PIECE_BYTES = 64 * 1024


class Bodies:
    """Belongs to one event loop."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held_bytes = 0

    async def read_into(self, body: bytearray, receive: Receive) -> None:
        """Stops one byte above the largest: the application refuses such a body. Raises RequestRefused and Overloaded.

        Whoever gave `body` calls release() when the request is answered, whatever happened.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                while await self._grows(body, receive):
                    pass
        except TimeoutError as error:
            late = f"The body did not arrive within {READ_TIMEOUT_S:g} s"
            raise RequestRefused(late, HTTPStatus.REQUEST_TIMEOUT) from error

    def hold(self, answer: bytes) -> None:
        """Counts an answer's body until release(). Raises Overloaded, and does not count it then."""
        self._count(_large(answer))

    def release(self, body: bytes | bytearray) -> None:
        self._held_bytes -= _large(body)

    async def send(self, body: bytes, send: Send) -> None:
        """A large body goes in pieces: each waits until the client has taken those before. Raises TimeoutError."""
        if not _large(body):
            await send({"type": "http.response.body", "body": body})
            return
        async with asyncio.timeout(SEND_TIMEOUT_S):
            for start in range(0, len(body), PIECE_BYTES):
                piece, end = body[start : start + PIECE_BYTES], start + PIECE_BYTES
                await send({"type": "http.response.body", "body": piece, "more_body": end < len(body)})

    async def _grows(self, body: bytearray, receive: Receive) -> bool:
        """Whether more is to come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused("The body ended early or is framed wrongly", HTTPStatus.BAD_REQUEST)
        before = _large(body)
        piece = message.get("body", b"")[: self._largest + 1 - len(body)]
        self._count(_large(body, len(piece)) - before)
        body += piece
        return bool(message.get("more_body")) and len(body) <= self._largest

    def _count(self, more_bytes: int) -> None:
        if self._held_bytes + more_bytes > MOST_LARGE_BYTES:
            raise Overloaded("Too many large bodies in flight")
        self._held_bytes += more_bytes


def _large(body: bytes | bytearray, more_bytes: int = 0) -> int:
    """Its length, or 0 where it is small."""
    length = len(body) + more_bytes
    return length if length > SMALL_BYTES else 0
