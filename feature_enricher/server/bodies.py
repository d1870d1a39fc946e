"""Reads and sends bodies of requests and answers, within time limits and a limit for the memory of all large bodies."""

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
"""For a large answer; a small one fits into the connection's buffers"""
# The number of connections bounds the memory of small bodies; MOST_LARGE_BYTES bounds that of all larger ones.
SMALL_BYTES = 16 * 1024
MOST_LARGE_BYTES = 256 * 1024 * 1024
PIECE_BYTES = 64 * 1024


class Bodies:
    """Used by one event loop."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held_bytes = 0

    async def read_into(self, body: bytearray, receive: Receive) -> None:
        """Reads at most one byte more than the largest allowed body, which the application then refuses.

        The caller calls release() once the request is answered, also after an error. Raises RequestRefused, Overloaded.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                while await self._grows(body, receive):
                    pass
        except TimeoutError as error:
            late = f"The body did not arrive within {READ_TIMEOUT_S:g} s"
            raise RequestRefused(late, HTTPStatus.REQUEST_TIMEOUT) from error

    def hold(self, answer: bytes) -> None:
        """Counts an answer's body until release(). Raises Overloaded, without counting it, above the limit."""
        self._count(_large(answer))

    def release(self, body: bytes | bytearray) -> None:
        self._held_bytes -= _large(body)

    async def send(self, body: bytes, send: Send) -> None:
        """Sends a large body in pieces, each after the client has taken the one before. Raises TimeoutError."""
        if not _large(body):
            await send({"type": "http.response.body", "body": body})
            return
        async with asyncio.timeout(SEND_TIMEOUT_S):
            for start in range(0, len(body), PIECE_BYTES):
                piece, end = body[start : start + PIECE_BYTES], start + PIECE_BYTES
                await send({"type": "http.response.body", "body": piece, "more_body": end < len(body)})

    async def _grows(self, body: bytearray, receive: Receive) -> bool:
        """Reads the next piece. Returns whether there is more."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused("The body is truncated or has invalid framing", HTTPStatus.BAD_REQUEST)
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
    """The length in bytes of a large body; 0 for a small one."""
    length = len(body) + more_bytes
    return length if length > SMALL_BYTES else 0
