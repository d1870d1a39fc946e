"""Requests in flight: from the scheduled time, over the first free connection, to the reply.

The load generator sends ten times the gateway's peak on the same cores as the gateway. To be cheap it uses callbacks
and two queues, without a task or a future per request.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from bench.load.connection import NO_ANSWER, ClientConnection, Reply
from bench.load.recording import Recorder

SentRequest = tuple[int, float, float]
"""user, due, sent"""

CHECK_S = 0.02
NEVER_SENT = b"no free connection"
# Time limit for a free connection; after it a request is never sent. A request sent just before its client gives up is
# useless, and costs the gateway the most: a broken connection.
LONGEST_WAIT_S = 1.0


class InFlight:
    def __init__(
        self, address: tuple[str, int], requests: Sequence[bytes], patience_s: float, connections: int, seed: int
    ) -> None:
        """At most `connections` at once. A request without a reply after `patience_s` counts as unanswered."""
        self.recorder = Recorder()
        self.on_reply: Callable[[], None] = lambda: None
        self._address = address
        self._requests = requests
        self._patience_s = patience_s
        self._most = connections
        self._random = np.random.default_rng(seed)
        self._draws: list[int] = []
        self._due: deque[float] = deque()
        self._idle: list[ClientConnection] = []
        self._in_flight: dict[ClientConnection, SentRequest] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._checked = 0.0

    @property
    def over(self) -> bool:
        return not (self._due or self._in_flight or self._opening)

    def add(self, due: float) -> None:
        self._due.append(due)

    def advance(self, now: float) -> None:
        """Sends requests over free connections, and gives up on requests past their time limit."""
        if now - self._checked >= CHECK_S:
            self._checked = now
            self._give_up(now)
        self._send()

    def close(self) -> None:
        for connection in [*self._idle, *self._in_flight]:
            connection.close()

    def _send(self) -> None:
        while self._due and self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                self._send_over(connection, self._due.popleft())
        missing = min(len(self._due), self._most - len(self._in_flight) - len(self._idle))
        for _ in range(missing - len(self._opening)):
            self._opening.add(asyncio.ensure_future(self._open()))

    def _send_over(self, connection: ClientConnection, due: float) -> None:
        user = self._draw()
        self._in_flight[connection] = (user, due, time.monotonic())
        connection.send(self._requests[user])

    async def _open(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: ClientConnection(self._replied), *self._address
            )
        except OSError as error:
            if self._due:
                self._unanswered(self._due.popleft(), type(error).__name__.encode())
        else:
            self._idle.append(connection)
        finally:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - this coroutine runs in a task
            self._opening.discard(task)
            self._send()

    def _replied(self, connection: ClientConnection, reply: Reply) -> None:
        user, due, sent = self._in_flight.pop(connection)
        self.recorder.add(user, due, sent, time.monotonic(), reply)
        if not connection.closed:
            self._idle.append(connection)
        self.on_reply()
        self._send()

    def _give_up(self, now: float) -> None:
        while self._due and self._due[0] < now - LONGEST_WAIT_S:
            self._unanswered(self._due.popleft(), NEVER_SENT)
        late = [connection for connection, (_, _, sent) in self._in_flight.items() if sent < now - self._patience_s]
        for connection in late:
            connection.give_up()

    def _unanswered(self, due: float, reason: bytes) -> None:
        """Records a request that was never sent."""
        self.recorder.add(self._draw(), due, float("nan"), time.monotonic(), (NO_ANSWER, reason, None))
        self.on_reply()

    def _draw(self) -> int:
        if not self._draws:
            self._draws = self._random.integers(0, len(self._requests), 10_000).tolist()
        return self._draws.pop()
