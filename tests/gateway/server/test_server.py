"""The gateway as it is deployed: `python -m feature_enricher`, over real HTTP."""

import concurrent.futures
import contextlib
import datetime as dt
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import free_port
from tests.gateway.fakes import FakeServer, reply
from tests.gateway.server.slow_app import DEADLINE_S
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "feature_enricher"]


@dataclass
class Deployed:
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.url.rsplit(":", 1)[1])


@pytest.fixture
def environment(tmp_path: Path, model_server: FakeServer) -> dict[str, str]:
    """A watcher and a model server that answer, which are one server here, and no PostgreSQL."""
    version = {"model_name": "streamflow_churn", "version": "3", "run_id": "0" * 32, "feature_service": "churn_v1"}
    model_server.replies = [reply({"serving": {"url": model_server.url, **version}, "warnings": [], "problem": None})]
    values = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "GATEWAY_PORT": str(free_port())}
    values |= {
        "ENRICHER_ROLLOUT_URL": model_server.url,
        "ENRICHER_ACCESS_LOG": "all",
    }
    values |= {f"ENRICHER_{part}_TIMEOUT_S": "0.5" for part in ("STORE", "MODEL")}
    values |= {"PGHOST": str(tmp_path), "PGPORT": "1", "PGUSER": "x", "PGPASSWORD": "x"}
    values["PROMETHEUS_MULTIPROC_DIR"] = "/no/such/folder"  # of some other program in the shell
    return values | {"PGDATABASE": "x", "PGSSLMODE": "prefer"}


@pytest.fixture
def gateway(environment: dict[str, str], tmp_path: Path) -> Iterator[Deployed]:
    yield from started(COMMAND, environment, environment["GATEWAY_PORT"], tmp_path)


@pytest.fixture
def slow_gateway(environment: dict[str, str], tmp_path: Path) -> Iterator[Deployed]:
    port = str(free_port())
    yield from started([sys.executable, "-m", "tests.gateway.server.slow_app", port], environment, port, tmp_path)


def started(command: list[str], environment: dict[str, str], port: str, tmp_path: Path) -> Iterator[Deployed]:
    log = tmp_path.parent / f"{tmp_path.name}.log"
    with log.open("wb") as stream, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stream) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_it_answers(url)
            yield Deployed(url, process, log)
        finally:  # also after a failure, or the end of the block would wait for the process for ever
            process.terminate()


def wait_until_it_answers(url: str) -> requests.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return requests.get(f"{url}/health", timeout=2)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def refused_start(environment: dict[str, str]) -> str:
    """What it says of a setting with which it does not start."""
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_serves_and_names_the_failed_check(gateway: Deployed) -> None:
    assert requests.get(f"{gateway.url}/health", timeout=5).json() == {"status": "ok"}
    wait_until(lambda: requests.get(f"{gateway.url}/ready", timeout=5).json()["serving"])
    ready = requests.get(f"{gateway.url}/ready", timeout=5)
    assert (ready.status_code, ready.json()["error"]) == (503, "Not ready: store")
    assert requests.post(f"{gateway.url}/predict", json={"user_id": "x"}, timeout=5).status_code == 503


def test_it_refuses_a_large_body_and_stops_in_time_despite_an_idle_client(gateway: Deployed, tmp_path: Path) -> None:
    chunks = iter([b"x" * 300_000])
    time.sleep(4)  # Feast is imported meanwhile, which makes a folder unless told not to

    with requests.Session() as idle:
        refused = idle.post(
            f"{gateway.url}/predict", data=chunks, headers={"Content-Type": "application/json"}, timeout=5
        )
        signalled_at = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        ended_with = gateway.process.wait(10)

    assert (refused.status_code, ended_with) == (413, 0)
    assert time.monotonic() - signalled_at < 4
    assert list(tmp_path.iterdir()) == []


def test_the_access_log_is_lines_of_json(gateway: Deployed) -> None:
    requests.get(f"{gateway.url}/no/such", headers={"X-Request-ID": "mine"}, timeout=5)

    deadline = time.monotonic() + 5
    while '"mine"' not in (log := gateway.log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)  # the line is written after the answer

    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line["request_id"] == "mine"] == [404]


def test_a_worker_that_was_killed_is_started_again(gateway: Deployed) -> None:
    [worker] = psutil.Process(gateway.process.pid).children()
    worker.kill()
    worker.wait(5)

    assert wait_until_it_answers(gateway.url).status_code == 200


def test_a_worker_ends_when_its_parent_was_killed(gateway: Deployed) -> None:
    [worker] = psutil.Process(gateway.process.pid).children()
    gateway.process.kill()
    gateway.process.wait(5)

    worker.wait(10)


def test_an_open_address_without_a_key_does_not_start(environment: dict[str, str]) -> None:
    assert "ENRICHER_ALLOW_OPEN=true" in refused_start(environment | {"GATEWAY_HOST": "0.0.0.0"})  # noqa: S104


def test_a_published_address_without_a_key_does_not_start(environment: dict[str, str]) -> None:
    published = {"GATEWAY_HOST": "0.0.0.0", "GATEWAY_PUBLISHED_AT": "0.0.0.0"}  # noqa: S104
    assert "ENRICHER_API_KEYS" in refused_start(environment | published)


def test_a_port_in_use_is_not_shared_but_named(gateway: Deployed, environment: dict[str, str]) -> None:
    message = refused_start(environment)

    assert f"GATEWAY_PORT={gateway.address[1]}" in message
    assert "in use" in message


def test_an_address_of_another_machine_is_refused_by_name(environment: dict[str, str]) -> None:
    elsewhere = {"GATEWAY_HOST": "no-such-host.invalid", "ENRICHER_ALLOW_OPEN": "true"}
    assert "GATEWAY_HOST='no-such-host.invalid'" in refused_start(environment | elsewhere)


def test_an_unknown_online_store_does_not_start(environment: dict[str, str]) -> None:
    assert "STREAMFLOW_ONLINE_STORE='mysql'" in refused_start(environment | {"STREAMFLOW_ONLINE_STORE": "mysql"})


def test_a_certificate_without_its_key_or_without_its_file_does_not_start(environment: dict[str, str]) -> None:
    assert "ENRICHER_TLS_KEY" in refused_start(environment | {"ENRICHER_TLS_CERT": "cert.pem"})
    missing = {"ENRICHER_TLS_CERT": "no/cert.pem", "ENRICHER_TLS_KEY": "no/key.pem"}
    assert "no/cert.pem" in refused_start(environment | missing)


def test_with_certificate_and_key_it_speaks_tls(environment: dict[str, str], tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path)
    port = environment["GATEWAY_PORT"]
    tls = {"ENRICHER_TLS_CERT": str(certificate), "ENRICHER_TLS_KEY": str(key)}
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment | tls, stderr=subprocess.DEVNULL) as process:
        context = ssl.create_default_context(cafile=str(certificate))
        answer, end = b"", time.monotonic() + 30
        while not answer and time.monotonic() < end:
            try:
                raw = socket.create_connection(("127.0.0.1", int(port)), timeout=5)
            except ConnectionRefusedError:
                time.sleep(0.1)
                continue
            with raw, context.wrap_socket(raw, server_hostname="localhost") as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = connection.makefile("rb").read()
        process.terminate()

    assert answer.startswith(b"HTTP/1.1 200")


def made_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
    return folder / "cert.pem", folder / "key.pem"


def test_requests_in_flight_are_answered_after_the_signal_to_stop(slow_gateway: Deployed) -> None:
    with concurrent.futures.ThreadPoolExecutor() as clients:
        paths = ("/predict?s=0.7", "/slow?s=0.7", "/health?s=0.7")
        answers = [clients.submit(requests.get, f"{slow_gateway.url}{path}", timeout=5) for path in paths]
        time.sleep(0.3)
        slow_gateway.process.send_signal(signal.SIGTERM)

        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert slow_gateway.process.wait(10) == 0


def test_the_probes_are_answered_while_all_others_wait(slow_gateway: Deployed) -> None:
    with concurrent.futures.ThreadPoolExecutor(60) as clients:
        paths = ["/predict?s=0.3", "/slow?s=0.3"] * 30
        answers = [clients.submit(requests.get, f"{slow_gateway.url}{path}", timeout=5) for path in paths]
        time.sleep(0.2)
        probed = requests.get(f"{slow_gateway.url}/health", timeout=5)
        still_waiting = sum(not answer.done() for answer in answers)

    assert probed.status_code == 200
    assert probed.elapsed.total_seconds() < 0.3
    assert still_waiting > 30


def test_health_is_answered_while_ready_waits_for_a_server_that_hangs(slow_gateway: Deployed) -> None:
    with concurrent.futures.ThreadPoolExecutor() as clients:
        answers = [clients.submit(requests.get, f"{slow_gateway.url}/ready?s=0.7", timeout=5) for _ in range(6)]
        time.sleep(0.2)
        probed = requests.get(f"{slow_gateway.url}/health", timeout=5)
        still_waiting = sum(not answer.done() for answer in answers)

    assert (probed.status_code, still_waiting) == (200, 6)
    assert probed.elapsed.total_seconds() < 0.3


def test_requests_that_cannot_be_answered_in_time_get_503_with_retry_after_by_the_deadline(
    slow_gateway: Deployed,
) -> None:
    with concurrent.futures.ThreadPoolExecutor(60) as clients:
        url = f"{slow_gateway.url}/predict?s=0.3"
        answers = list(clients.map(lambda _: requests.get(url, timeout=5), range(60)))

    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {answer.headers["Content-Type"] for answer in refused} == {"application/problem+json"}
    assert {answer.json()["code"] for answer in refused} <= {"overloaded", "deadline_exceeded"}
    assert max(answer.elapsed.total_seconds() for answer in answers) < DEADLINE_S + 0.5


def test_hundreds_at_once_are_answered_by_the_deadline_and_the_probes_meanwhile(slow_gateway: Deployed) -> None:
    request = b"POST /predict?s=0.02 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with contextlib.ExitStack() as closed:
        connected = (socket.create_connection(slow_gateway.address, timeout=10) for _ in range(600))
        clients = [closed.enter_context(client) for client in connected]
        began = time.monotonic()
        for client in clients:
            client.sendall(request)
        probed = requests.get(f"{slow_gateway.url}/health", timeout=5)
        answers = [client.makefile("rb").read() for client in clients]
        took_s = time.monotonic() - began

    refused = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200")]
    assert 0 < len(refused) < len(answers)
    assert {(answer[:12], b"retry-after: 1" in answer) for answer in refused} == {(b"HTTP/1.1 503", True)}
    assert took_s < DEADLINE_S + 0.5
    assert probed.elapsed.total_seconds() < DEADLINE_S / 2


def test_a_request_that_takes_too_long_is_answered_at_the_deadline(slow_gateway: Deployed) -> None:
    for path in ("/predict", "/slow"):
        late = requests.get(f"{slow_gateway.url}{path}?s=2", timeout=5)

        assert (late.status_code, late.json()["code"]) == (503, "deadline_exceeded")
        assert DEADLINE_S <= late.elapsed.total_seconds() < DEADLINE_S + 0.5


def test_slow_bodies_delay_no_other_request_and_end_with_408(slow_gateway: Deployed) -> None:
    slow = [socket.create_connection(slow_gateway.address, timeout=10) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    began = time.monotonic()
    answered = [requests.get(f"{slow_gateway.url}/predict", timeout=5).status_code for _ in range(10)]
    took = time.monotonic() - began

    first = slow[0].recv(12)
    assert (answered, first) == ([200] * 10, b"HTTP/1.1 408")
    assert took < 3
    for connection in slow:
        connection.close()


def test_clients_that_do_not_read_their_answers_delay_no_other_request(slow_gateway: Deployed) -> None:
    not_reading = [socket.create_connection(slow_gateway.address, timeout=10) for _ in range(100)]
    for connection in not_reading:
        connection.sendall(b"GET /large?n=3000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.5)
    began = time.monotonic()
    answered = [requests.get(f"{slow_gateway.url}/predict", timeout=5).status_code for _ in range(10)]
    took = time.monotonic() - began
    whole = requests.get(f"{slow_gateway.url}/large?n=100000", timeout=5)

    assert answered == [200] * 10
    assert took < 3
    assert whole.status_code in (200, 503)  # 503 if unread answers take up all of their memory
    for connection in not_reading:
        connection.close()


def test_a_large_answer_arrives_whole(slow_gateway: Deployed) -> None:
    for size in (0, 1, 16_384, 16_385, 65_536, 131_072, 1_000_001):
        assert requests.get(f"{slow_gateway.url}/large?n={size}", timeout=5).content == b"x" * size


def test_several_processes_answer_and_their_metrics_are_added_up(environment: dict[str, str], tmp_path: Path) -> None:
    several = environment | {"ENRICHER_WORKERS": "2"}
    for gateway in started(COMMAND, several, several["GATEWAY_PORT"], tmp_path):
        workers = psutil.Process(gateway.process.pid).children()
        for _ in range(40):  # a connection each, so that both processes get some
            requests.post(f"{gateway.url}/predict", json={}, timeout=5)
        pages = [requests.get(f"{gateway.url}/metrics", timeout=5).text for _ in range(10)]

        counted = [
            line for page in pages for line in page.splitlines() if 'code="invalid_request",route="/predict"' in line
        ]
        assert len(workers) == 2
        assert {line.split()[-1] for line in counted} == {"40.0"}
        assert len(counted) == 10


def several_wait(gateway: Deployed, model_server: FakeServer, clients: contextlib.ExitStack) -> bool:
    """Sends another request, which waits once the watcher has named the model server."""
    client = clients.enter_context(socket.create_connection(gateway.address))
    client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
    return [path for path, _body in model_server.seen].count("/ping") > 1


def test_the_states_of_killed_processes_are_not_counted(
    environment: dict[str, str], tmp_path: Path, model_server: FakeServer
) -> None:
    [live] = model_server.replies

    def only_live(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        live(handler, body) if handler.path == "/live" else handler.server.closing.wait()  # type: ignore[attr-defined]

    model_server.replies = [only_live]
    several = environment | {"ENRICHER_WORKERS": "2", "ENRICHER_MODEL_TIMEOUT_S": "5", "ENRICHER_DEADLINE_S": "10"}
    for gateway in started(COMMAND, several, several["GATEWAY_PORT"], tmp_path):
        with contextlib.ExitStack() as clients:
            wait_until(partial(several_wait, gateway, model_server, clients), 10, pause=0.1)
            in_flight_before = in_flight(gateway)
            for worker in psutil.Process(gateway.process.pid).children():
                worker.kill()
                worker.wait(5)
            wait_until_it_answers(gateway.url)

            assert in_flight_before > 1
            assert in_flight(gateway) == 1  # the request for the metrics


def in_flight(gateway: Deployed) -> float:
    page = requests.get(f"{gateway.url}/metrics", timeout=5).text
    [line] = [line for line in page.splitlines() if line.startswith("gateway_requests_in_flight ")]
    return float(line.split()[-1])
