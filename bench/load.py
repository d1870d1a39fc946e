"""The load: closed loop (each connection asks again when answered) and open loop (requests leave by the clock).

Runs in a process of its own (see drive() and start()), so that what the caller does meanwhile delays no request. An
open loop's latency counts from the moment a request was to leave, whether or not a connection was free (otherwise a
slow server is asked less often, and its slowness hides: coordinated omission).
"""

import asyncio
import itertools
import multiprocessing
import multiprocessing.connection
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvloop

from bench.connection import Connection, Reply, request_bytes
from bench.recording import NO_ANSWER, Recorder, Recording

LATE_S = 0.0005  # a request this close to its time leaves now: a sleep would be longer
BREATH = 20  # requests that leave at once when they are late, before answers are read

Orders = multiprocessing.connection.Connection


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


def opened(
    target: Target, rate: float, seconds: float, connections: int, seed: int, *, orders: Orders | None = None
) -> Recording:
    """`rate` requests a second, on as many connections as are needed and at most `connections`.

    An order is a number of seconds from now, after which to end instead.
    """

    async def run(load: "_Load") -> float:
        start = time.monotonic()
        until = start + seconds
        pending: set[asyncio.Task[None]] = set()
        for nth in itertools.count():
            due = start + nth / rate
            if orders is not None and orders.poll():
                until = time.monotonic() + orders.recv()
            if due >= until:
                break
            await _sleep_until(due, nth)
            task = asyncio.ensure_future(load.one(due))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)
        return until

    return uvloop.run(_recorded(target, connections, seed, run))


async def _sleep_until(due: float, nth: int) -> None:
    ahead = due - time.monotonic()
    if ahead > LATE_S:
        await asyncio.sleep(ahead)
    elif nth % BREATH == 0:
        await asyncio.sleep(0)  # behind its time: answers must be read all the same


class Running:
    """An open loop in a process of its own."""

    def __init__(self, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_open_loop, args=(theirs, arguments))
        self._process.start()
        theirs.close()

    def end_in(self, seconds: float) -> None:
        self._orders.send(seconds)

    def result(self) -> Recording:
        """Waits for it. Raises EOFError when the process failed; its trace is on stderr."""
        recording: Recording = self._orders.recv()
        self._process.join()
        return recording

    def kill(self) -> None:
        self._process.kill()


def _open_loop(orders: Orders, arguments: Any) -> None:
    orders.send(opened(*arguments, orders=orders))


@contextmanager
def start(*arguments: Any) -> Iterator[Running]:
    """opened(*arguments) in a process of its own; what the block does, it does meanwhile."""
    running = Running(*arguments)
    try:
        yield running
    finally:
        running.kill()


def drive(how: Callable[..., Recording], *arguments: object) -> Recording:
    """A load in a process of its own, to its end."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(how, *arguments).result()


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
        user, sent = self._draw(), float("nan")
        try:
            async with asyncio.timeout(due + self._target.patience_s - time.monotonic()):
                async with self._free:
                    connection = await self._connected()
                    sent = time.monotonic()
                    reply = await self._ask(connection, self._requests[user])
        except TimeoutError:
            reply = NO_ANSWER, b"time limit", None
        except OSError as error:
            reply = NO_ANSWER, type(error).__name__.encode(), None
        self.recorder.add(user, due, sent, time.monotonic(), reply)

    async def _ask(self, connection: Connection, request: bytes) -> Reply:
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
        address = (self._target.host, self._target.port)
        return (await asyncio.get_running_loop().create_connection(Connection, *address))[1]

    def _draw(self) -> int:
        if not self._draws:
            self._draws = self._random.integers(0, len(self._requests), 10_000).tolist()
        return self._draws.pop()

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
