"""Access control before the application, over real HTTP: nothing is read for a request that is refused."""

import concurrent.futures
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.gateway.server.test_server import COMMAND, Deployed, environment, started
from tests.gateway.test_operation import value
from tests.waiting import wait_until

__all__ = ["environment"]  # a fixture
KEY, OTHER = "a-key-of-the-web-site-01", "a-key-of-the-batch-job-2"
WRONG = {"X-API-Key": "a-guess-that-is-wrong"}


@pytest.fixture
def gateway(environment: dict[str, str], tmp_path: Path) -> Iterator[Deployed]:
    values = environment | {"ENRICHER_API_KEYS": f"web:{KEY},batch:{OTHER}"}
    yield from started(COMMAND, values, values["GATEWAY_PORT"], tmp_path)


@pytest.fixture
def limited(environment: dict[str, str], tmp_path: Path) -> Iterator[Deployed]:
    """With five requests a second of each client."""
    values = environment | {"ENRICHER_API_KEYS": f"web:{KEY},batch:{OTHER}", "ENRICHER_REQUESTS_PER_S": "5"}
    yield from started(COMMAND, values, values["GATEWAY_PORT"], tmp_path)


def get(gateway: Deployed, path: str, key: str = KEY, **headers: str) -> requests.Response:
    return requests.get(f"{gateway.url}{path}", headers={"X-API-Key": key, **headers}, timeout=10)


def access_log(gateway: Deployed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]


def test_a_foreign_host_reads_nothing_but_the_two_probes(gateway: Deployed) -> None:
    wait_until(lambda: get(gateway, "/ready").json()["serving"])
    paths = ("/metrics", "/docs/", "/%6detrics", "/predict", "/features/x", "/health", "/ready")
    answers = {path: get(gateway, path, Host="evil.example") for path in paths}

    assert {path: answer.status_code for path, answer in answers.items()} == {
        **dict.fromkeys(paths, 421), "/health": 200, "/ready": 503,
    }  # fmt: skip
    assert answers["/metrics"].headers["Content-Type"] == "application/problem+json"
    assert answers["/ready"].json() == {"status": "not ready", "error": "Not ready: store"}
    refused = 'gateway_requests_total{code="foreign_host",route="shed",status="421"}'
    assert value(get(gateway, "/metrics").text, refused) == 5


def test_a_body_is_not_read_for_a_request_without_a_key(gateway: Deployed) -> None:
    with socket.create_connection(gateway.address, timeout=5) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        began = time.monotonic()
        answer = connection.recv(12)

    assert (answer, time.monotonic() - began < 2) == (b"HTTP/1.1 401", True)


def test_a_path_in_other_spellings_needs_a_key_all_the_same(gateway: Deployed) -> None:
    for path in (
        "/metrics",
        "//metrics",
        "/%6detrics",
        "/METRICS",
        "/docs/../metrics",
        "/docs%2f..%2fmetrics",
        "/metrics?/docs/",
    ):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        with socket.create_connection(gateway.address, timeout=5) as connection:
            connection.sendall(request)
            answer = connection.makefile("rb").read()
        assert answer[9:12] in (b"401", b"404"), path
        assert b"gateway_requests_total" not in answer, path


def test_the_answers_to_wrong_keys_take_ever_longer_and_those_to_valid_keys_do_not(gateway: Deployed) -> None:
    wrong = [requests.get(f"{gateway.url}/metrics", headers=WRONG, timeout=10) for _ in range(4)]
    valid = get(gateway, "/metrics")

    assert {answer.status_code for answer in wrong} == {401}
    waits = [answer.elapsed.total_seconds() for answer in wrong]
    assert [wait >= least for wait, least in zip(waits, (0.25, 0.5, 1, 2), strict=True)] == [True] * 4, waits
    assert (valid.status_code, valid.elapsed.total_seconds() < 1) == (200, True)
    assert value(valid.text, "gateway_wrong_keys_total") == 4
    assert "Wrong API key from 127.0.0.1: 4 within 300 s" in gateway.log.read_text()
    assert "a-guess" not in gateway.log.read_text()


def test_a_thousand_wrong_keys_at_once_delay_no_other_request(gateway: Deployed) -> None:
    guess = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %d\r\nContent-Length: 2\r\n\r\n{}"
    with contextlib.ExitStack() as closed:
        guessing = [closed.enter_context(socket.create_connection(gateway.address, timeout=15)) for _ in range(1000)]
        for number, connection in enumerate(guessing):
            connection.sendall(guess % number)
        wait_until(lambda: value(get(gateway, "/metrics").text, "gateway_wrong_keys_total") == 1000, 10)
        took = [get(gateway, path).elapsed.total_seconds() for path in ("/health", "/ready", "/metrics", "/predict")]
        answered = guessing[-1].recv(12)

    assert max(took) < 1.5
    assert answered == b"HTTP/1.1 401"


def test_the_access_log_names_the_client_of_a_request_and_lists_those_refused(gateway: Deployed) -> None:
    get(gateway, "/metrics", OTHER, **{"X-Request-ID": "named"})
    get(gateway, "/metrics", "wrong-wrong-wrong", **{"X-Request-ID": "wrong"})
    wait_until(lambda: {"named", "wrong"} <= {line["request_id"] for line in access_log(gateway)}, 5)

    lines = {line["request_id"]: line for line in access_log(gateway)}
    assert (lines["named"]["client"], lines["named"]["status"]) == ("batch", 200)
    assert (lines["wrong"]["code"], lines["wrong"]["path"]) == ("unauthorized", "/metrics")
    assert "client" not in lines["wrong"]
    assert KEY not in gateway.log.read_text()
    assert OTHER not in gateway.log.read_text()


def test_probes_need_no_key_and_are_not_shed_by_a_flood_of_them(gateway: Deployed) -> None:
    def probe(path: str) -> int:
        return requests.get(f"{gateway.url}{path}", timeout=30).status_code

    with concurrent.futures.ThreadPoolExecutor(60) as clients:
        statuses = list(clients.map(probe, ["/ready", "/health"] * 60))

    assert statuses == [503, 200] * 60
    page = get(gateway, "/metrics").text
    assert not re.search(r'code="(overloaded|deadline_exceeded)".* [1-9]', page)
    assert value(page, 'gateway_requests_total{code="not_ready",route="/ready",status="503"}') == 60


def test_more_requests_than_a_key_may_send_are_refused_unread_and_counted_by_its_name(limited: Deployed) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _number: get(limited, "/predict"), range(40)))
    refused = [answer for answer in answers if answer.status_code == 429]
    page = get(limited, "/metrics", OTHER).text

    assert {answer.status_code for answer in answers} == {405, 429}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert value(page, 'gateway_client_requests_total{client="web",status="429"}') == len(refused)
    assert f'code="too_many_requests",route="shed",status="429"}} {len(refused)}.0' in page
    assert [get(limited, path, "").status_code for path in ["/health", "/ready"] * 10] == [200, 503] * 10
