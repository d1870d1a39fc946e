"""The load: closed loop (each client sends its next request after an answer) and open loop (requests by the clock).

Runs in its own process (see drive() and start()), because work of the caller would delay requests. An open loop's
latency counts from the scheduled time, whether or not a connection was free. Otherwise a slow server receives fewer
requests, which hides its slowness (coordinated omission).
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
from bench.load.in_flight import InFlight
from bench.load.recording import Recording

# An open loop's request may be sent this late; its latency includes it. It is uvloop's shortest sleep: a shorter one
# does not sleep at all and takes a core from the measured systems.
TICK_S = 0.001

Orders = multiprocessing.connection.Connection


@dataclass(frozen=True)
class LoadTarget:
    """Address and bodies of the requests, and the time limit in seconds after which one counts as unanswered."""

    port: int
    bodies: Sequence[bytes]
    patience_s: float
    path: str = "/predict"
    host: str = "127.0.0.1"

    def requests(self) -> list[bytes]:
        return [request_bytes(f"{self.host}:{self.port}", self.path, body) for body in self.bodies]

    def in_flight(self, connections: int, seed: int) -> InFlight:
        return InFlight((self.host, self.port), self.requests(), self.patience_s, connections, seed)


def closed(target: LoadTarget, connections: int, seconds: float, seed: int, ramp_s: float = 0.0) -> Recording:
    """`connections` clients, each sending a random body as soon as it has its last answer.

    They start one after the other within `ramp_s` seconds, and all end `seconds` after that.
    """
    return uvloop.run(_closed(target.in_flight(connections, seed), connections, seconds, ramp_s))


async def _closed(requests: InFlight, clients: int, seconds: float, ramp_s: float) -> Recording:
    start = now = time.monotonic()
    until, started = start + ramp_s + seconds, 0

    def send_next() -> None:
        if (now := time.monotonic()) < until:
            requests.add(now)

    requests.on_reply = send_next
    while not requests.over or now < until:
        while started < clients and start + ramp_s * started / clients <= now:
            send_next()
            started += 1
        requests.advance(now)
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
    requests.close()
    return requests.recorder.recording(until)


def opened(
    target: LoadTarget, rate: float, seconds: float, connections: int, seed: int, *, orders: Orders | None = None
) -> Recording:
    """`rate` requests a second, on at most `connections` connections.

    orders: receives a number of seconds from now after which to end earlier.
    """
    return uvloop.run(_opened(target.in_flight(connections, seed), rate, seconds, orders))


async def _opened(requests: InFlight, rate: float, seconds: float, orders: Orders | None) -> Recording:
    start = now = time.monotonic()
    until, nth = start + seconds, 0
    while now < until or not requests.over:
        if orders is not None and orders.poll():
            until = min(until, now + orders.recv())
        while (due := start + nth / rate) <= now and due < until:
            requests.add(due)
            nth += 1
        requests.advance(now)
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
    requests.close()
    return requests.recorder.recording(until)


class Running:
    """An open loop in its own process."""

    def __init__(self, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, child_end = context.Pipe()
        self._process = context.Process(target=_open_loop, args=(child_end, arguments))
        self._process.start()
        child_end.close()

    def end_in(self, seconds: float) -> None:
        self._orders.send(seconds)

    def result(self) -> Recording:
        """Waits for the end of the load. Raises EOFError when its process failed; the trace is on stderr."""
        recording: Recording = self._orders.recv()
        self._process.join()
        return recording

    def kill(self) -> None:
        self._process.kill()


def _open_loop(orders: Orders, arguments: Any) -> None:
    orders.send(_without_gc(opened, *arguments, orders=orders))


@contextmanager
def start(*arguments: Any) -> Iterator[Running]:
    """Runs opened(*arguments) in its own process, at the same time as the block."""
    running = Running(*arguments)
    try:
        yield running
    finally:
        running.kill()


def drive(load: Callable[..., Recording], *arguments: object) -> Recording:
    """Runs a load (closed or opened) in its own process to its end."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_without_gc, load, *arguments).result()


def _without_gc(load: Callable[..., Recording], *arguments: object, **options: object) -> Recording:
    """Runs the load without garbage collection: it took up to 0.2 s every few seconds, in which no answer was read, and
    that time counted as the gateway's."""
    gc.disable()
    return load(*arguments, **options)
