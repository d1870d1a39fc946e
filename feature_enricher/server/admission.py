"""Predictions wait here before their bodies are read, first come, first served, while the batches have enough to do.

Thousands of requests at once cost the event loop next to nothing while they only wait, so it stays free for the probes.
To read them all took it most of a second, and under overload many are refused in the end.
"""

import asyncio
from collections import deque

from feature_enricher.prediction.batching import MOST_REQUESTS, Batches

# Being read, or read and waiting for a batch: enough that the next batches are always there.
MOST_READ = 2 * MOST_REQUESTS
# A body that takes longer is a slow client's: it no longer counts, or a few such clients would hold up all others.
QUICK_S = 0.1
TICK_S = 0.005
# Turns or refusals at a tick: more at once would hold up the probes.
MOST_AT_ONCE = MOST_REQUESTS


class Admission:
    """Belongs to one event loop."""

    def __init__(self, batches: Batches, longest_wait_s: float) -> None:
        self._batches = batches
        self._longest_wait_s = longest_wait_s
        self._waiting: deque[tuple[float, asyncio.Future[bool]]] = deque()
        """Since when. There are ticks while anybody waits"""
        self._reading: dict[int, float] = {}
        """Since when, oldest first"""
        self._admissions = 0

    async def admitted(self) -> int:
        """Waits for its turn. A number for was_read(), or 0 where its turn did not come in time."""
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
            if not future.done():  # done: its client is gone
                future.set_result(in_time)
                room -= in_time
        self._batches.unread = len(self._waiting)
        if self._waiting:
            loop.call_later(TICK_S, self._tick, loop)
