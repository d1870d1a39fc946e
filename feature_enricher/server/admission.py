"""Limits the predictions that are read or wait for a batch; the others wait here, in order of arrival, unread.

Thousands of requests that only wait cost the event loop almost nothing, which keeps it free for the probes. Reading all
of them took most of a second, and under overload many of them are refused in the end.
"""

import asyncio
from collections import deque

from feature_enricher.prediction.batching import MOST_REQUESTS, Batches

# Requests being read or waiting for a batch: enough to fill the next batches.
MOST_READ = 2 * MOST_REQUESTS
# A body that takes longer comes from a slow client. It no longer counts, so that slow clients do not block the others.
QUICK_S = 0.1
TICK_S = 0.005
# Requests admitted or refused per tick: more would delay the probes.
MOST_AT_ONCE = MOST_REQUESTS


class Admission:
    """Used by one event loop."""

    def __init__(self, batches: Batches, longest_wait_s: float) -> None:
        self._batches = batches
        self._longest_wait_s = longest_wait_s
        self._waiting: deque[tuple[float, asyncio.Future[bool]]] = deque()
        """Time of arrival and result of each; ticks run while it is not empty"""
        self._reading: dict[int, float] = {}
        """Number -> when it was admitted, the oldest first"""
        self._admissions = 0

    async def admitted(self) -> int:
        """Waits for admission. Returns a number for was_read(), or 0 if the longest wait is over."""
        loop = asyncio.get_running_loop()
        if self._waiting or self._room(loop.time()) <= 0:
            future: asyncio.Future[bool] = loop.create_future()
            self._waiting.append((loop.time(), future))
            if len(self._waiting) == 1:
                loop.call_later(TICK_S, self._tick, loop)
            if not await future:
                return 0
        self._admissions += 1
        self._reading[self._admissions] = loop.time()
        return self._admissions

    def was_read(self, number: int) -> None:
        self._reading.pop(number, None)

    def _room(self, now: float) -> int:
        while self._reading and now - self._reading[oldest := next(iter(self._reading))] > QUICK_S:
            del self._reading[oldest]
        return MOST_READ - len(self._reading) - self._batches.queue_length()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        room = min(self._room(now), MOST_AT_ONCE)
        for _ in range(min(len(self._waiting), MOST_AT_ONCE)):
            since, future = self._waiting[0]
            in_time = now - since <= self._longest_wait_s
            if in_time and room <= 0:
                break
            self._waiting.popleft()
            if not future.done():  # done: its client has disconnected
                future.set_result(in_time)
                room -= in_time
        self._batches.unread = len(self._waiting)
        if self._waiting:
            loop.call_later(TICK_S, self._tick, loop)
