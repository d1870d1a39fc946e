"""The load: closed loop (each connection asks again when answered) and open loop (requests leave by the clock).

Runs in a process of its own (see drive() and start()), so that what the caller does meanwhile delays no request. An
open loop's latency counts from the moment a request was to leave, whether or not a connection was free (otherwise a
slow server is asked less often, and its slowness hides: coordinated omission).
"""

import asyncio
import gc
import multiprocessing
import multiprocessing.connection
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop

from bench.load.connection import request_bytes
from bench.load.in_flight import OnTheirWay
from bench.load.recording import Recording

# By so much an open loop's request may leave late, and its latency says so. uvloop knows no shorter one: what asks for
# less never sleeps, and takes a core from what it measures.
TICK_S = 0.001

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

    def on_their_way(self, connections: int, seed: int) -> OnTheirWay:
        return OnTheirWay((self.host, self.port), self.requests(), self.patience_s, connections, seed)


def closed(target: Target, connections: int, seconds: float, seed: int, ramp_s: float = 0.0) -> Recording:
    """`connections` clients, each asking for a random body as soon as its last answer came.

    They begin one after the other within `ramp_s`, and all end `seconds` after that.
    """
    return uvloop.run(_closed(target.on_their_way(connections, seed), connections, seconds, ramp_s))


async def _closed(requests: OnTheirWay, clients: int, seconds: float, ramp_s: float) -> Recording:
    start = now = time.monotonic()
    until, began = start + ramp_s + seconds, 0

    def ask_again() -> None:
        if (now := time.monotonic()) < until:
            requests.add(now)

    requests.on_reply = ask_again
    while not requests.over or now < until:
        while began < clients and start + ramp_s * began / clients <= now:
            ask_again()
            began += 1
        requests.go_on(now)
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
    requests.close()
    return requests.recorder.recording(until)


def opened(
    target: Target, rate: float, seconds: float, connections: int, seed: int, *, orders: Orders | None = None
) -> Recording:
    """`rate` requests a second, on as many connections as are needed and at most `connections`.

    An order is a number of seconds from now, after which to end instead.
    """
    return uvloop.run(_opened(target.on_their_way(connections, seed), rate, seconds, orders))


async def _opened(requests: OnTheirWay, rate: float, seconds: float, orders: Orders | None) -> Recording:
    start = now = time.monotonic()
    until, nth = start + seconds, 0
    while now < until or not requests.over:
        if orders is not None and orders.poll():
            until = min(until, now + orders.recv())
        while (due := start + nth / rate) <= now and due < until:
            requests.add(due)
            nth += 1
        requests.go_on(now)
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
    requests.close()
    return requests.recorder.recording(until)


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
    orders.send(_undisturbed(opened, *arguments, orders=orders))


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
        return pool.submit(_undisturbed, how, *arguments).result()


def _undisturbed(how: Callable[..., Recording], *arguments: object, **more: object) -> Recording:
    """Without looking for garbage, as long as the process lasts: going through all that was imported and recorded took
    up to 0.2 s every few seconds, in which no answer was read, and that counted as the gateway's."""
    gc.disable()
    return how(*arguments, **more)
