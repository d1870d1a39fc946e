"""Requests on their way: from when each was to leave, over the first free connection, to its reply.

Ten times a gateway's peak has to leave beside that gateway on the same cores, so a request has no task and no future of
its own here: callbacks, and two queues.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from bench.load.connection import NO_ANSWER, Connection, Reply
from bench.load.recording import Recorder

Asked = tuple[int, float, float]
"""user, due, sent"""

CHECK_S = 0.02
NEVER_LEFT = b"no free connection"
# For a free connection; then a request never leaves. What left just before its client's patience ended would be of use
# to nobody, and cost the gateway the most of all: a connection that breaks.
LONGEST_WAIT_S = 1.0


class OnTheirWay:
    def __init__(
        self, address: tuple[str, int], requests: Sequence[bytes], patience_s: float, connections: int, seed: int
    ) -> None:
        """At most `connections` at once. A reply counts as none `patience_s` after its request left."""
        self.recorder = Recorder()
        self.on_reply: Callable[[], None] = lambda: None
        self._address = address
        self._requests = requests
        self._patience_s = patience_s
        self._most = connections
        self._random = np.random.default_rng(seed)
        self._draws: list[int] = []
        self._due: deque[float] = deque()
        self._idle: list[Connection] = []
        self._asked: dict[Connection, Asked] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._checked = 0.0

    @property
    def over(self) -> bool:
        return not (self._due or self._asked or self._opening)

    def add(self, due: float) -> None:
        self._due.append(due)

    def go_on(self, now: float) -> None:
        """Sends what can be sent, and gives up on what was waited for too long."""
        if now - self._checked >= CHECK_S:
            self._checked = now
            self._give_up(now)
        self._send()

    def close(self) -> None:
        for connection in [*self._idle, *self._asked]:
            connection.close()

    def _send(self) -> None:
        while self._due and self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                self._ask(connection, self._due.popleft())
        wanted = min(len(self._due), self._most - len(self._asked) - len(self._idle))
        for _ in range(wanted - len(self._opening)):
            self._opening.add(asyncio.ensure_future(self._open()))

    def _ask(self, connection: Connection, due: float) -> None:
        user = self._draw()
        self._asked[connection] = (user, due, time.monotonic())
        connection.ask(self._requests[user])

    async def _open(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._told), *self._address
            )
        except OSError as error:
            if self._due:
                self._unanswered(self._due.popleft(), type(error).__name__.encode())
        else:
            self._idle.append(connection)
        finally:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - this is one
            self._opening.discard(task)
            self._send()

    def _told(self, connection: Connection, reply: Reply) -> None:
        user, due, sent = self._asked.pop(connection)
        self.recorder.add(user, due, sent, time.monotonic(), reply)
        if not connection.closed:
            self._idle.append(connection)
        self.on_reply()
        self._send()

    def _give_up(self, now: float) -> None:
        while self._due and self._due[0] < now - LONGEST_WAIT_S:
            self._unanswered(self._due.popleft(), NEVER_LEFT)
        late = [connection for connection, (_, _, sent) in self._asked.items() if sent < now - self._patience_s]
        for connection in late:
            connection.give_up()

    def _unanswered(self, due: float, why: bytes) -> None:
        """It never left."""
        self.recorder.add(self._draw(), due, float("nan"), time.monotonic(), (NO_ANSWER, why, None))
        self.on_reply()

    def _draw(self) -> int:
        if not self._draws:
            self._draws = self._random.integers(0, len(self._requests), 10_000).tolist()
        return self._draws.pop()
