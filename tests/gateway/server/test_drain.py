"""How the gateway stops: /ready first, then the listener, then the requests in flight."""

import concurrent.futures
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from feature_enricher.app import create_app
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.settings import load_settings
from tests.conftest import free_port
from tests.gateway.fakes import FakeFeatures, FakeModel, FixedTarget
from tests.gateway.server.test_server import Deployed, started
from tests.waiting import wait_until

DRAIN_S = 3.0


def slow_gateway(tmp_path: Path, **settings: str) -> Iterator[Deployed]:
    port = str(free_port())
    command = [sys.executable, "-m", "tests.gateway.server.slow_app", port]
    yield from started(command, {**os.environ, "ENRICHER_DRAIN_S": str(DRAIN_S), **settings}, port, tmp_path)


@pytest.fixture
def draining(tmp_path: Path) -> Iterator[Deployed]:
    """A gateway that just got SIGTERM."""
    for gateway in slow_gateway(tmp_path):
        assert requests.get(f"{gateway.url}/ready", timeout=5).status_code == 200
        gateway.process.send_signal(signal.SIGTERM)
        yield gateway


def test_ready_says_503_and_others_are_answered_until_the_drain_time_is_over(draining: Deployed) -> None:
    signalled_at, accepted = time.monotonic(), []
    wait_until(lambda: requests.get(f"{draining.url}/ready", timeout=5).status_code == 503, pause=0)
    with contextlib.suppress(requests.ConnectionError):
        while True:
            statuses = [requests.get(f"{draining.url}{path}", timeout=5).status_code for path in ("/ready", "/predict")]
            accepted.append((statuses, time.monotonic() - signalled_at))

    assert [statuses for statuses, _moment in accepted] == [[503, 200]] * len(accepted)
    assert accepted[-1][1] > DRAIN_S - 1, "new connections are accepted almost until the end"
    assert draining.process.wait(10) == 0
    assert time.monotonic() - signalled_at > DRAIN_S


def test_requests_in_flight_when_the_listener_closes_are_answered(draining: Deployed) -> None:
    time.sleep(DRAIN_S - 0.5)
    with concurrent.futures.ThreadPoolExecutor() as clients:
        paths = ("/predict", "/slow")
        answers = [clients.submit(requests.get, f"{draining.url}{path}?s=0.7", timeout=5) for path in paths]
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert draining.process.wait(10) == 0


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    for gateway in slow_gateway(tmp_path, ENRICHER_DRAIN_S="60"):
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: requests.get(f"{gateway.url}/ready", timeout=5).status_code == 503)  # noqa: B023
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(10) == 0


def test_every_worker_process_drains_also_one_that_is_started_meanwhile(tmp_path: Path) -> None:
    for gateway in slow_gateway(tmp_path, ENRICHER_WORKERS="2", ENRICHER_DRAIN_S="60"):
        url = f"{gateway.url}/ready"
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: requests.get(url, timeout=5).status_code == 503)  # noqa: B023
        statuses = [requests.get(url, timeout=5).status_code for _ in range(20)]
        for worker in psutil.Process(gateway.process.pid).children():
            worker.kill()
            worker.wait(5)
        wait_until(lambda: answered(url), 30)  # noqa: B023
        statuses += [requests.get(url, timeout=5).status_code for _ in range(20)]
        gateway.process.send_signal(signal.SIGTERM)

        assert statuses == [503] * 40


def answered(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return bool(requests.get(url, timeout=5).status_code)
    return False


def test_a_gateway_that_is_stopping_is_not_ready_and_is_counted_as_such() -> None:
    targets = FixedTarget(FakeModel())
    client = create_app({}, features=FakeFeatures({}), targets=targets, is_stopping=lambda: True).test_client()

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.get_json() == {"status": "not ready", "error": "Not ready: the gateway is stopping"}
    assert 'code="not_ready",route="/ready",status="503"} 1.0' in client.get("/metrics").text
    assert 'code="ok",route="/ready"' not in client.get("/metrics").text
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("value", ["-1", "301", "soon", "nan"])
def test_an_invalid_drain_time_is_refused(value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"ENRICHER_DRAIN_S=.*: must be a number of seconds from 0 to 300"):
        load_settings({"DRAIN_S": value})
