"""Network faults between gateway and model server: an answer or an error in time."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.upstream import ModelUnavailable
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import ANSWER, FakeServer, FakeUnixServer, reply, running

ROWS = [FeatureRow({"months_active": 70}, {})]
TIMEOUT_S = 0.3


@pytest.fixture(params=["a port", "a Unix socket"])
def model_server(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    with TemporaryDirectory() as folder:  # pytest's own are too long for a socket
        server = FakeServer() if request.param == "a port" else FakeUnixServer(Path(folder) / "socket")
        with running(server):
            yield server


def soon() -> Deadline:
    return Deadline.after(10.0)


ANSWERED = {"predictions": [ANSWER]}


def model_at(url: str) -> ModelServerClient:
    return ModelServerClient(Upstream(url, TIMEOUT_S, 2))


def hang(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.server.closing.wait()  # type: ignore[attr-defined]


def drip(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.server.closing.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b" ")


def drip_head(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.closing.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b"x")


def close_after_the_answer(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(ANSWERED).encode())
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.close_connection = True


def stop_halfway(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


@pytest.mark.parametrize("fault", [hang, drip, drip_head, hang_up, stop_halfway])
def test_a_server_that_does_not_answer_causes_an_error_in_time(
    model_server: FakeServer, fault: Callable[[BaseHTTPRequestHandler, bytes], None]
) -> None:
    model_server.replies = [fault]
    began = time.monotonic()

    with pytest.raises(ModelUnavailable, match="did not answer") as caught:
        model_at(model_server.url).predict(ROWS, soon())

    assert time.monotonic() - began < 3 * TIMEOUT_S
    assert isinstance(caught.value.__cause__, EnricherError)


def test_a_refused_connection_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(ModelUnavailable, match="did not answer"):
            model_at(url).predict(ROWS, soon())


def test_an_answer_that_ends_with_its_connection_is_read_whole(model_server: FakeServer) -> None:
    model_server.replies = [close_after_the_answer]

    assert [len(model_at(model_server.url).predict(ROWS, soon())) for _ in range(2)] == [1, 1]


def test_after_a_closed_connection_the_call_is_repeated_once(model_server: FakeServer) -> None:
    model_server.replies = [reply(ANSWERED), hang_up, reply(ANSWERED)]
    model = model_at(model_server.url)
    model.predict(ROWS, soon())

    assert len(model.predict(ROWS, soon())) == 1
    assert len(model_server.seen) == 3


def test_after_a_second_closed_connection_the_call_fails(model_server: FakeServer) -> None:
    model_server.replies = [hang_up]

    with pytest.raises(ModelUnavailable):
        model_at(model_server.url).predict(ROWS, soon())

    assert len(model_server.seen) == 2


def test_a_slow_server_is_not_called_twice(model_server: FakeServer) -> None:
    model_server.replies = [hang]

    with pytest.raises(ModelUnavailable):
        model_at(model_server.url).predict(ROWS, soon())

    assert len(model_server.seen) == 1


def test_a_recovered_server_is_used_again(model_server: FakeServer) -> None:
    model_server.replies = [hang_up, hang_up, reply(ANSWERED)]
    model = model_at(model_server.url)
    with pytest.raises(ModelUnavailable):
        model.predict(ROWS, soon())

    assert len(model.predict(ROWS, soon())) == 1


def test_a_deadline_before_the_timeout_is_kept(model_server: FakeServer) -> None:
    model_server.replies = [hang]
    began = time.monotonic()

    with pytest.raises(ModelUnavailable):
        ModelServerClient(Upstream(model_server.url, 10.0, 2)).predict(ROWS, Deadline.after(0.2))

    assert 0.2 <= time.monotonic() - began < 1


def test_after_the_deadline_no_call_is_made(model_server: FakeServer) -> None:
    with pytest.raises(ModelUnavailable):
        model_at(model_server.url).predict(ROWS, Deadline.after(0))

    assert model_server.seen == []


def test_proxies_of_the_environment_are_not_used(model_server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    model_server.replies = [reply(ANSWERED)]

    assert len(model_at(model_server.url).predict(ROWS, soon())) == 1


def test_concurrent_calls_do_not_wait_for_each_other(model_server: FakeServer) -> None:
    together = threading.Barrier(2, timeout=5)

    def meet(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        together.wait()
        reply(ANSWERED)(handler, body)

    model_server.replies = [meet]
    model = ModelServerClient(Upstream(model_server.url, 5.0, 2))
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(len(model.predict(ROWS, soon())))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert done == [1, 1]


def test_a_call_succeeds_after_all_idle_connections_were_closed(model_server: FakeServer) -> None:
    together = threading.Barrier(2, timeout=5)

    def meet_and_close(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        together.wait()
        reply(ANSWERED)(handler, body)
        handler.close_connection = True  # without a header, as a server does after its idle timeout

    model_server.replies = [meet_and_close, meet_and_close, reply(ANSWERED)]
    model = model_at(model_server.url)
    threads = [threading.Thread(target=model.predict, args=(ROWS, soon())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)

    assert len(model.predict(ROWS, soon())) == 1


def test_connections_are_reused(model_server: FakeServer) -> None:
    model_server.replies = [reply(ANSWERED)]
    model = model_at(model_server.url)

    for _ in range(5):
        model.predict(ROWS, soon())

    assert len(model_server.connections) == 1


def test_idle_connections_are_closed_with_the_last_reference(model_server: FakeServer) -> None:
    model_server.replies = [reply(ANSWERED)]
    upstream = Upstream(model_server.url, 5.0, 2)
    upstream.get("/ping")
    [connection] = upstream._idle
    idle_socket = connection.sock
    assert idle_socket is not None

    del upstream

    assert idle_socket.fileno() == -1
