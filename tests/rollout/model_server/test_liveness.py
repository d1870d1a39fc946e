"""A server that accepts connections and does not answer is unresponsive after a while."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from configuration.model_address import connector
from rollout.model_server.calls import Answer, call
from rollout.model_server.liveness import Liveness
from tests.rollout.fakes import FakeModelServer

SILENCE_S = 3.0
LIMIT_S = 60.0


class FreezableServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.thawed = threading.Event()
        self.thawed.set()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: FreezableServer

    def do_GET(self) -> None:
        self.server.thawed.wait(LIMIT_S)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class PingedServer(FakeModelServer):
    """Pinged over real HTTP."""

    def __init__(self, freezable: FreezableServer) -> None:
        super().__init__("1")
        self.freezable = freezable

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.freezable.server_address[1]}"

    def healthy(self) -> bool:
        return super(FakeModelServer, self).healthy()

    def call(self, path: str, body: object, timeout_s: float) -> Answer:
        return call(connector(self.url), path, body, timeout_s)


@pytest.fixture
def freezable() -> Iterator[FreezableServer]:
    server = FreezableServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.thawed.set()
    server.shutdown()
    server.server_close()
    thread.join()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_frozen_server_is_unresponsive_until_it_answers_again(
    freezable: FreezableServer,
) -> None:
    liveness = Liveness(SILENCE_S)
    liveness.monitor(PingedServer(freezable))
    time.sleep(SILENCE_S + 1)  # it answers, so the limit does not count
    assert not liveness.is_unresponsive

    freezable.thawed.clear()
    wait_until(lambda: liveness.is_unresponsive)

    freezable.thawed.set()
    wait_until(lambda: not liveness.is_unresponsive)


def test_a_newly_monitored_server_has_the_whole_time_to_answer(freezable: FreezableServer) -> None:
    freezable.thawed.clear()
    liveness = Liveness(SILENCE_S)
    liveness.monitor(PingedServer(freezable))
    wait_until(lambda: liveness.is_unresponsive)

    liveness.monitor(PingedServer(freezable))

    assert not liveness.is_unresponsive


def test_without_a_server_nothing_is_unresponsive() -> None:
    liveness = Liveness(0.0)

    assert not liveness.is_unresponsive
