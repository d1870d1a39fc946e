"""Bodies read whole, within a time, and within what all of them together may hold of memory."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from feature_enricher.errors.parts import Overloaded
from feature_enricher.errors.requests import RequestRefused

Receive = Callable[[], Awaitable[dict[str, Any]]]

BODY_TIMEOUT_S = 5.0
"""For the whole body, from the end of the head"""
# Small bodies are bounded by the number of connections. What larger ones hold together is bounded here.
SMALL_BODY_BYTES = 16 * 1024
MOST_LARGE_BODIES_BYTES = 128 * 1024 * 1024


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
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while await self._grows(body, receive):
                    pass
        except TimeoutError as error:
            late = f"The body did not arrive within {BODY_TIMEOUT_S:g} s"
            raise RequestRefused(late, HTTPStatus.REQUEST_TIMEOUT) from error

    def release(self, body: bytearray) -> None:
        self._held_bytes -= _counted(body)

    async def _grows(self, body: bytearray, receive: Receive) -> bool:
        """Whether more is to come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused("The body ended early or is framed wrongly", HTTPStatus.BAD_REQUEST)
        before = _counted(body)
        body += message.get("body", b"")[: self._largest + 1 - len(body)]
        self._held_bytes += _counted(body) - before
        if self._held_bytes > MOST_LARGE_BODIES_BYTES:
            raise Overloaded("Too many large bodies in flight")
        return bool(message.get("more_body")) and len(body) <= self._largest


def _counted(body: bytearray) -> int:
    return len(body) if len(body) > SMALL_BODY_BYTES else 0
