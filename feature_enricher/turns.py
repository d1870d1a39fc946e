"""Turns at computing: whoever has heard something comes first, then those that wait for a turn, one by one.

gevent lets all greenlets whose socket is ready run before it looks at the sockets again. With 64 clients that is some
ten milliseconds, in which a batch whose features or answers are there stands still, and a refusal is late. A greenlet
that takes a turn first lets go on whatever is ready by then.
"""

import math
import time
from collections import deque
from functools import cache

import gevent
from gevent import monkey
from gevent.hub import Waiter


class Turns:
    """First come, first served, for the greenlets of the thread that made it."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._waiting: deque[Waiter[None]] = deque()
        # libev calls it once whenever it has looked at all sockets and nothing was ready
        self._nothing_ready = self._hub.loop.idle()

    def take(self, *, share: float, at_least: int) -> None:
        """Returns once everything that is ready has run, and that share of those that wait; see take_turn()."""
        mine: Waiter[None] = Waiter(self._hub)
        self._waiting.insert(max(math.ceil(share * len(self._waiting)), at_least), mine)
        if len(self._waiting) == 1:
            self._nothing_ready.start(self._go_on)
        mine.get()

    def _go_on(self) -> None:
        first = self._waiting.popleft()
        if not self._waiting:
            self._nothing_ready.stop()
        first.switch(None)


@cache
def _of_this_process() -> Turns:
    return Turns()


def take_turn(*, share: float = 1.0, at_least: int = 0) -> None:
    """Lets that share of those that wait go first, rounded up, and `at_least` as many: by default all, with 0 nobody.

    In the gateway's process, that is; where threads are Python's own, as in tests, it is whatever they make of it.
    """
    if monkey.is_module_patched("threading"):
        _of_this_process().take(share=share, at_least=at_least)
    else:
        time.sleep(0)
