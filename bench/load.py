"""The load: closed loop (each connection asks again when answered) and open loop (requests leave by the clock).

Runs in a process of its own (see start()), so that what the caller does meanwhile delays no request. An open loop's
latency counts from the moment a request was to leave, whether or not a connection was free (coordinated omission).
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import uvloop

from bench.connection import Connection, Reply, request_bytes
from bench.recording import NO_ANSWER, Recorder, Recording

LATE_S = 0.0005  # a request this close to its time leaves now: a sleep would be longer


@dataclass(frozen=True)
class Target:
    """Where the requests go, what they say, and how long an answer may take before it counts as none."""

    port: int
    bodies: Sequence[bytes]
    patience_s: float
    path: str = "/predict"
    host: str = "127.0.0.1"

    def requests(self) -> list[bytes]:
        return [request_bytes(f"{self.host}:{self.port}", self.path, body) for body in self.bodies]


Run = Callable[["_Load"], Coroutine[None, None, float]]
"""Makes the requests; returns when the last one was to leave."""


def closed(target: Target, connections: int, seconds: float, seed: int) -> Recording:
    """`connections` clients, each asking for a random body as soon as its last answer came."""

    async def run(load: "_Load") -> float:
        until = time.monotonic() + seconds
        await asyncio.gather(*(load.client(until) for _ in range(connections)))
        return until

    return uvloop.run(_recorded(target, connections, seed, run))


def opened(target: Target, rate: float, seconds: float, connections: int, seed: int) -> Recording:
    """`rate` requests a second, on as many connections as are needed and at most `connections`."""

    async def run(load: "_Load") -> float:
        start = time.monotonic()
        pending: set[asyncio.Task[None]] = set()
        for nth in range(int(rate * seconds)):
            due = start + nth / rate
            ahead = due - time.monotonic()
            if ahead > LATE_S:
                await asyncio.sleep(ahead)
            elif nth % 100 == 0:
                await asyncio.sleep(0)  # behind its time: answers must be read all the same
            task = asyncio.ensure_future(load.one(due))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)
        return start + seconds

    return uvloop.run(_recorded(target, connections, seed, run))


@contextmanager
def start(drive: Callable[..., Recording], *arguments: object) -> Iterator["Future[Recording]"]:
    """A load in a process of its own; what the block does, it does meanwhile."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.submit(drive, *arguments)


def drive(how: Callable[..., Recording], *arguments: object) -> Recording:
    with start(how, *arguments) as load:
        return load.result()


async def _recorded(target: Target, connections: int, seed: int, run: "Run") -> Recording:
    load = _Load(target, connections, seed)
    until = await run(load)
    load.close()
    return load.recorder.recording(until)


class _Load:
    def __init__(self, target: Target, connections: int, seed: int) -> None:
        self.recorder = Recorder()
        self._target = target
        self._requests = target.requests()
        self._random = np.random.default_rng(seed)
        self._draws: list[int] = []
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(connections)

    async def client(self, until: float) -> None:
        while (now := time.monotonic()) < until:
            await self.one(now)

    async def one(self, due: float) -> None:
        user = self._draw()
        try:
            async with asyncio.timeout(due + self._target.patience_s - time.monotonic()):
                reply = await self._ask(self._requests[user])
        except TimeoutError:
            reply = NO_ANSWER, b"time limit", None
        except OSError as error:
            reply = NO_ANSWER, type(error).__name__.encode(), None
        self.recorder.add(user, due, time.monotonic(), reply)

    async def _ask(self, request: bytes) -> Reply:
        async with self._free:
            connection = await self._connected()
            try:
                reply = await connection.ask(request)
            except BaseException:  # the answer may still come, and would be taken for the next one's
                connection.close()
                raise
            if not connection.closed:
                self._idle.append(connection)
            return reply

    async def _connected(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        loop = asyncio.get_running_loop()
        _transport, made = await loop.create_connection(Connection, self._target.host, self._target.port)
        return made

    def _draw(self) -> int:
        if not self._draws:
            self._draws = self._random.integers(0, len(self._requests), 10_000).tolist()
        return self._draws.pop()

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
