"""A server that listens and does not answer is silent; one that answers, or was only just taken on, is not."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rollout.model_server.liveness import Liveness
from tests.rollout.fakes import FakeModelServer

SILENCE_S = 3.0
LIMIT_S = 60.0


class Pinged(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.thawed = threading.Event()
        self.thawed.set()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Pinged

    def do_GET(self) -> None:
        self.server.thawed.wait(LIMIT_S)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Watched(FakeModelServer):
    """Asked over real HTTP."""

    def __init__(self, pinged: Pinged) -> None:
        super().__init__("1")
        self.pinged = pinged

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.pinged.server_address[1]}"

    def healthy(self) -> bool:
        return super(FakeModelServer, self).healthy()


@pytest.fixture
def pinged() -> Iterator[Pinged]:
    server = Pinged()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.thawed.set()
    server.shutdown()
    server.server_close()
    thread.join()


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_server_that_freezes_is_silent_after_a_while_and_no_longer_once_it_answers(pinged: Pinged) -> None:
    liveness = Liveness(SILENCE_S)
    liveness.watch(Watched(pinged))
    time.sleep(SILENCE_S + 1)  # it answers: so, watching it for longer than the limit changes nothing
    assert not liveness.is_silent

    pinged.thawed.clear()
    wait_until(lambda: liveness.is_silent)

    pinged.thawed.set()
    wait_until(lambda: not liveness.is_silent)


def test_a_server_that_was_just_taken_on_has_the_whole_time_to_answer(pinged: Pinged) -> None:
    pinged.thawed.clear()
    liveness = Liveness(SILENCE_S)
    liveness.watch(Watched(pinged))
    wait_until(lambda: liveness.is_silent)

    liveness.watch(Watched(pinged))

    assert not liveness.is_silent


def test_with_no_server_nothing_is_silent() -> None:
    liveness = Liveness(0.0)

    assert not liveness.is_silent
