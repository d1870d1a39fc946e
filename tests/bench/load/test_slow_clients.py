"""The requested number of slow clients send or read slowly, and reconnect when the server closes their connection."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.load.loops import LoadTarget
from bench.load.slow_clients import BYTE_EVERY_S, LONGEST_BODY, slow_clients
from tests.waiting import wait_until

CLIENTS = 3
Serve = Callable[[socket.socket], None]


@contextmanager
def server(serve: Serve) -> Iterator[LoadTarget]:
    """Calls `serve` with each connection, each in its own thread."""

    def serve_and_close(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _address = listening.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=serve_and_close, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield LoadTarget(listening.getsockname()[1], [b'{"user_ids": ["anna"]}'], patience_s=1.0)
        listening.shutdown(socket.SHUT_RDWR)


class Arrived:
    """The bytes received over each connection, one entry per read."""

    def __init__(self) -> None:
        self.pieces: dict[socket.socket, list[bytes]] = {}

    def until_the_end(self, connection: socket.socket) -> None:
        pieces = self.pieces[connection] = []
        while piece := connection.recv(65_536):
            pieces.append(piece)

    def are_slow(self) -> bool:
        return all(len(pieces) >= 3 for pieces in self.pieces.values())


@pytest.mark.parametrize("kind", ["heads", "bodies"])
def test_slow_writers_never_finish_a_request(kind: str) -> None:
    arrived = Arrived()
    with server(arrived.until_the_end) as target, slow_clients(target, kind, CLIENTS) as state:
        assert state() == (CLIENTS, CLIENTS)
        wait_until(arrived.are_slow, 4 * BYTE_EVERY_S, pause=0.1)

    for beginning, *later in arrived.pieces.values():
        head, _, body = beginning.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /predict HTTP/1.1\r\n")
        assert set(later) == {b"a"}
        if kind == "bodies":
            assert f"Content-Length: {LONGEST_BODY + 1}".encode() in head
            assert body == b"{"
        else:
            assert beginning.count(b"\r\n\r\n") == 0


def test_clients_reconnect_when_the_server_hangs_up() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(65_536)
        time.sleep(0.3)

    with server(hang_up) as target, slow_clients(target, "heads", CLIENTS) as state:
        wait_until(lambda: state()[1] >= 3 * CLIENTS, 10.0, pause=0.1)


def test_slow_readers_accept_only_a_part_of_an_answer() -> None:
    accepted_bytes: list[int] = []

    def answer(connection: socket.socket) -> None:
        request = connection.recv(65_536)
        assert request.endswith(b'{"user_ids": ["anna"]}')
        connection.settimeout(1.0)
        sent = 0
        try:
            while sent < 1_000_000:
                sent += connection.send(b"x" * 1_000)
        except TimeoutError:
            accepted_bytes.append(sent)
        threading.Event().wait(3.0)

    with server(answer) as target, slow_clients(target, "answers", CLIENTS) as state:
        wait_until(lambda: len(accepted_bytes) == CLIENTS, 10.0)
        assert state()[0] == CLIENTS
    # the gateway's answer for USERS_OF_SLOW_READERS users has about 50,000 bytes
    assert max(accepted_bytes) < 40_000
