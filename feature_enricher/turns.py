"""Turns at computing: whoever has heard something comes first, then those that wait for a turn, one by one.

gevent lets all greenlets whose socket is ready run before it looks at the sockets again. With 64 clients that is some
ten milliseconds, in which a batch whose features or answers are there stands still, and a refusal is late. A greenlet
that takes a turn first lets go on whatever is ready by then.
"""

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

    def take(self, *, next_one: bool) -> None:
        """Returns once everything that is ready has run; and, unless it is to be the next one, all who came before."""
        mine: Waiter[None] = Waiter(self._hub)
        (self._waiting.appendleft if next_one else self._waiting.append)(mine)
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


def take_turn(*, next_one: bool = False) -> None:
    """In the gateway's process a turn; where threads are Python's own, as in tests, whatever they make of it."""
    if monkey.is_module_patched("threading"):
        _of_this_process().take(next_one=next_one)
    else:
        time.sleep(0)
