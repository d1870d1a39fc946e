"""Clients that send a head or a body, or read an answer, one byte at a time; in their own process.

Each reconnects when the server has closed its connection.
"""

import asyncio
import multiprocessing
import multiprocessing.connection
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from bench.load.connection import request_bytes
from bench.load.loops import LoadTarget

BYTE_EVERY_S = 2.5
RETRY_S = 0.1
READY_TIMEOUT_S = 60.0
LONGEST_BODY = 1000
# The smallest values that the system allows, because answers must not fit into the connection's buffers.
RECEIVE_BUFFER_BYTES, SEGMENT_BYTES = 2048, 536

Orders = multiprocessing.connection.Connection


@dataclass
class Clients:
    address: tuple[str, int]
    request: bytes
    """A whole request, for slow readers"""
    at_work: set[int] = field(default_factory=set)
    """Clients that are now sending or reading slowly"""
    opened: int = 0
    """Connections opened so far"""


@dataclass(frozen=True)
class Kind:
    be_slow: Callable[[Clients, int, socket.socket], Awaitable[None]]
    begin_per_s: float
    """Clients that start per second: few enough to be no overload"""


@contextmanager
def slow_clients(target: LoadTarget, kind: str, count: int) -> Iterator[Callable[[], tuple[int, int]]]:
    """`count` clients of a kind (see KINDS), all at work when the block begins.

    Yields a function that returns the number of clients at work now, and of connections opened so far. Raises
    TimeoutError when not all get to work, for example because the server refuses them.
    """
    context = multiprocessing.get_context("spawn")
    orders, child_end = context.Pipe()
    process = context.Process(target=_be_slow, args=(child_end, target, kind, count))
    process.start()
    child_end.close()

    def state() -> tuple[int, int]:
        orders.send(None)
        counts: tuple[int, int] = orders.recv()
        return counts

    try:
        if not orders.poll(READY_TIMEOUT_S):
            raise TimeoutError(f"Not all of {count} slow clients ({kind}) were at work after {READY_TIMEOUT_S:g} s")
        orders.recv()
        yield state
    finally:
        process.kill()
        process.join()


def _be_slow(orders: Orders, target: LoadTarget, kind: str, count: int) -> None:
    asyncio.run(_all_slow(orders, target, kind, count))


async def _all_slow(orders: Orders, target: LoadTarget, kind: str, count: int) -> None:
    clients, slow = Clients((target.host, target.port), target.requests()[0]), KINDS[kind]
    tasks = [asyncio.create_task(_run_client(clients, nth, slow)) for nth in range(count)]
    while len(clients.at_work) < count:
        _raise_failure(tasks)
        await asyncio.sleep(RETRY_S)
    orders.send(None)
    while True:
        _raise_failure(tasks)
        if orders.poll():
            orders.recv()
            orders.send((len(clients.at_work), clients.opened))
        await asyncio.sleep(RETRY_S)


def _raise_failure(tasks: list["asyncio.Task[None]"]) -> None:
    """Raises a client's exception: it is a bug of this program."""
    for task in tasks:
        if task.done():
            task.result()


async def _run_client(clients: Clients, nth: int, kind: Kind) -> None:
    await asyncio.sleep(nth / kind.begin_per_s)
    while True:
        with socket.socket() as connection:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
            try:
                await asyncio.get_running_loop().sock_connect(connection, clients.address)
                clients.opened += 1
                await kind.be_slow(clients, nth, connection)
            except OSError:
                pass  # closed by the server; reconnect
            finally:
                clients.at_work.discard(nth)
        await asyncio.sleep(RETRY_S)


async def _write(beginning: bytes, clients: Clients, nth: int, connection: socket.socket) -> None:
    """Sends a byte at a time until the server answers or closes the connection."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, beginning)
    clients.at_work.add(nth)
    while not await _ended(connection):
        await loop.sock_sendall(connection, b"a")


async def _ended(connection: socket.socket) -> bool:
    """Waits for BYTE_EVERY_S. Returns early, with True, when the server answers or closes the connection."""
    try:
        async with asyncio.timeout(BYTE_EVERY_S):
            await asyncio.get_running_loop().sock_recv(connection, 1)
    except TimeoutError:
        return False
    return True


async def _read(clients: Clients, nth: int, connection: socket.socket) -> None:
    """Sends a request, then reads the answer a byte at a time."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, clients.request)
    while await loop.sock_recv(connection, 1):
        clients.at_work.add(nth)
        await asyncio.sleep(BYTE_EVERY_S)


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = request_bytes("localhost", "/predict", b"{" + b" " * LONGEST_BODY)[:-LONGEST_BODY]
KINDS: Mapping[str, Kind] = {
    "heads": Kind(partial(_write, HEAD), 500.0),
    "bodies": Kind(partial(_write, BODY), 500.0),
    "answers": Kind(_read, 50.0),
}
