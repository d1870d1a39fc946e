"""Requests a second per client, as token buckets."""

import threading
import time
from collections.abc import Callable

from cachetools import LRUCache

MOST_CLIENTS = 4096


class RateLimit:
    """Each client may send as many requests at once as in one second. Clients that were idle for longest are forgotten:
    their bucket would be full again anyway, unless more than MOST_CLIENTS send requests in the same second."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """per_s: 0 for no limit."""
        self._per_s = per_s
        self._capacity = max(1.0, per_s)
        self._clock = clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(MOST_CLIENTS)
        """Client -> tokens, and when they were counted"""
        self._lock = threading.Lock()  # an application without our server may be called by several threads

    def wait_s(self, client: str) -> float:
        """0 if the client may send a request now, which then counts; otherwise the seconds until it may."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        with self._lock:
            tokens, counted = self._buckets.get(client, (self._capacity, now))
            tokens = min(self._capacity, tokens + (now - counted) * self._per_s)
            allowed = tokens >= 1
            self._buckets[client] = (tokens - allowed, now)
        return 0.0 if allowed else (1 - tokens) / self._per_s
