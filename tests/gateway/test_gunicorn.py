"""The gateway as it is deployed: gunicorn with the project's own configuration, over real HTTP."""

import http.client
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from feature_enricher.errors.base import InvalidSetting

from .fakes import FakeServer, reply

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Deployed:
    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def without_a_database(tmp_path: Path, model_server: FakeServer, registry_server: FakeServer) -> Iterator[Deployed]:
    """gunicorn, with a model server and a registry that answer, and no PostgreSQL."""
    model_server.replies = [reply(b"\n")]
    tags = [{"key": "feature_service", "value": "churn_v1"}]
    production = {"version": "3", "current_stage": "Production", "tags": tags}
    registry_server.replies = [reply({"registered_model": {"latest_versions": [production]}})]
    port = str(free_port())
    environment = os.environ | {"HOME": str(tmp_path), "GATEWAY_PORT": port, "ENRICHER_MAX_IN_FLIGHT": "4"}
    environment |= {
        "ENRICHER_ROLLOUT_URL": "",
        "ENRICHER_ACCESS_LOG": "all",
        "ENRICHER_MODEL_URL": model_server.url,
        "ENRICHER_REGISTRY_URL": registry_server.url,
    }
    environment |= {f"ENRICHER_{part}_TIMEOUT_S": "0.5" for part in ("STORE", "MODEL", "REGISTRY")}
    environment |= {"PGHOST": str(tmp_path), "PGPORT": "1", "PGUSER": "x", "PGPASSWORD": "x"}
    environment |= {"PGDATABASE": "x", "PGSSLMODE": "prefer"}
    command = [sys.executable, "-m", "gunicorn", "-c", "feature_enricher/gunicorn_conf.py"]
    log = (tmp_path.parent / f"{tmp_path.name}.log").open("wb")
    with log, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process:
        yield Deployed(f"http://127.0.0.1:{port}", process)
        process.terminate()


def wait_until_it_answers(url: str) -> requests.Response:
    deadline = time.monotonic() + 20
    while True:
        try:
            return requests.get(f"{url}/health", timeout=2)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_gunicorn_serves_and_says_what_is_not_ready(without_a_database: Deployed) -> None:
    url = without_a_database.url

    assert wait_until_it_answers(url).json() == {"status": "ok"}
    ready = requests.get(f"{url}/ready", timeout=5)
    assert (ready.status_code, ready.json()["error"]) == (503, "Not ready: store")
    assert requests.post(f"{url}/predict", json={"user_id": "x"}, timeout=5).status_code == 503


def test_gunicorn_refuses_a_large_body_and_stops_in_time_despite_an_idle_client(
    without_a_database: Deployed, tmp_path: Path
) -> None:
    url = without_a_database.url
    wait_until_it_answers(url)
    chunks = iter([b"x" * 300_000])

    with requests.Session() as idle:
        refused = idle.post(f"{url}/predict", data=chunks, headers={"Content-Type": "application/json"}, timeout=5)
        asked = time.monotonic()
        without_a_database.process.send_signal(signal.SIGTERM)
        ended_with = without_a_database.process.wait(10)

    assert (refused.status_code, ended_with) == (413, 0)
    assert time.monotonic() - asked < 2
    assert list(tmp_path.iterdir()) == []


def silent(url: str, count: int, sent: bytes = b"") -> list[socket.socket]:
    """Connections on which nothing more comes than this."""
    address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
    connections = [socket.create_connection(address, timeout=5) for _ in range(count)]
    for connection in connections:
        connection.sendall(sent)
    return connections


def repeated(ask: Callable[[], requests.Response], until: int) -> requests.Response:
    deadline = time.monotonic() + 5
    while (answer := ask()).status_code != until:
        assert time.monotonic() < deadline, f"still {answer.status_code}"
        time.sleep(0.05)
    return answer


def closed(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()


def test_connections_that_say_nothing_hold_no_place(without_a_database: Deployed) -> None:
    wait_until_it_answers(without_a_database.url)
    connections = silent(without_a_database.url, 20)
    began = time.monotonic()

    answered = requests.get(f"{without_a_database.url}/health", timeout=5)

    assert answered.status_code == 200
    assert time.monotonic() - began < 2
    closed(connections)


def test_more_requests_than_places_are_refused_at_once_and_the_next_is_answered(without_a_database: Deployed) -> None:
    wait_until_it_answers(without_a_database.url)
    halves = silent(without_a_database.url, 4, b"GET /health HTTP/1.1\r\n")  # four places wait for the other half

    def refusal() -> requests.Response:
        return requests.get(f"{without_a_database.url}/health", timeout=5)

    refused = repeated(refusal, until=503)

    assert refused.elapsed.total_seconds() < 1
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "overloaded"
    assert refused.json()["request_id"] == refused.headers["X-Request-ID"]
    closed(halves)
    assert repeated(refusal, until=200)
    page = requests.get(f"{without_a_database.url}/metrics", timeout=5).text
    assert 'gateway_requests_total{code="overloaded",route="shed",status="503"}' in page


def test_a_refused_client_keeps_its_connection_and_is_answered_on_it_later(without_a_database: Deployed) -> None:
    wait_until_it_answers(without_a_database.url)
    halves = silent(without_a_database.url, 4, b"GET /health HTTP/1.1\r\n")
    host, port = without_a_database.url.removeprefix("http://").split(":")
    client = http.client.HTTPConnection(host, int(port), timeout=5)
    seen: list[tuple[int, socket.socket]] = []

    def asked() -> int:
        client.request("POST", "/predict", body=b'{"user_id": "a"}', headers={"Content-Type": "application/json"})
        with client.getresponse() as answer:
            answer.read()
        seen.append((answer.status, client.sock))
        return answer.status

    while asked() != 503 or asked() != 503:
        assert len(seen) < 200
    before = client.sock
    closed(halves)
    time.sleep(0.2)
    client.request("GET", "/health")
    with client.getresponse() as answer:
        assert answer.status == 200
    assert client.sock is before
    client.close()


def test_a_client_that_asks_again_at_once_does_not_go_before_others(without_a_database: Deployed) -> None:
    wait_until_it_answers(without_a_database.url)
    greedy, other = silent(without_a_database.url, 2)
    many = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    greedy.sendall(many * 2000)  # so many lie there already when the other one comes
    began = time.monotonic()

    other.sendall(many)
    first = other.recv(1000)
    other_took = time.monotonic() - began
    received = 0
    while received < 2000:
        received += greedy.recv(100_000).count(b"HTTP/1.1 200")
    greedy_took = time.monotonic() - began

    assert first.startswith(b"HTTP/1.1 200")
    assert other_took < greedy_took / 2
    closed([greedy, other])


def test_a_request_in_flight_is_answered_after_the_signal_to_stop(
    without_a_database: Deployed, model_server: FakeServer
) -> None:
    wait_until_it_answers(without_a_database.url)
    [connection] = silent(without_a_database.url, 1, b"GET /health HTTP/1.1\r\nHost: x\r\n")
    time.sleep(0.2)
    without_a_database.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    connection.sendall(b"\r\n")

    answered = connection.makefile("rb").read()

    assert answered.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answered.lower()
    assert without_a_database.process.wait(10) == 0
    closed([connection])


def test_an_open_address_without_a_key_does_not_start(tmp_path: Path) -> None:
    environment = os.environ | {"GATEWAY_HOST": "0.0.0.0", "GATEWAY_PORT": str(free_port())}  # noqa: S104
    command = [sys.executable, "-m", "gunicorn", "-c", "feature_enricher/gunicorn_conf.py"]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert "ENRICHER_ALLOW_OPEN=true" in done.stderr + done.stdout


def test_the_access_log_is_lines_of_json(without_a_database: Deployed, tmp_path: Path) -> None:
    wait_until_it_answers(without_a_database.url)
    requests.get(f"{without_a_database.url}/no/such", headers={"X-Request-ID": "mine"}, timeout=5)

    log_file, deadline = tmp_path.parent / f"{tmp_path.name}.log", time.monotonic() + 5
    while '"mine"' not in (log := log_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)  # the line is written after the answer

    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line["request_id"] == "mine"] == [404]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /secret-path HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000 + b"\r\n\r\n", b"431"),
        (b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", b"400"),
    ],
)
def test_what_is_not_http_is_a_named_error_too(without_a_database: Deployed, sent: bytes, status: bytes) -> None:
    wait_until_it_answers(without_a_database.url)
    [connection] = silent(without_a_database.url, 1, sent)

    head, body = connection.makefile("rb").read().split(b"\r\n\r\n", 1)

    assert head.split()[1] == status
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "refused"
    assert b"secret" not in body
    closed([connection])


@pytest.mark.parametrize(("published", "starts"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
def test_in_a_container_the_published_address_is_the_one_that_needs_keys(
    published: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("GATEWAY_PUBLISHED_AT", published)
    with nullcontext() if starts else pytest.raises(InvalidSetting, match="ENRICHER_API_KEYS"):
        runpy.run_path(str(ROOT / "feature_enricher" / "gunicorn_conf.py"))
