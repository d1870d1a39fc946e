"""The prediction log of the gateway's server: several processes, its end, and its sudden end."""

import concurrent.futures
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from local_stack.settings import Settings
from tests.conftest import free_port
from tests.gateway.server.test_server import Deployed, started
from tests.sql import fetch
from tests.waiting import wait_until

ROWS = "SELECT count(*) FROM prediction_log WHERE code = 'ok'"
WRITERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'prediction log'"
WORKERS = 2


@pytest.fixture
def gateway(with_roles: Settings, tmp_path: Path) -> Iterator[Deployed]:
    login, port = with_roles.login("log"), str(free_port())
    log = {"ENRICHER_LOG_USER": login["PGUSER"], "ENRICHER_LOG_PASSWORD": login["PGPASSWORD"]}
    command = [sys.executable, "-m", "tests.gateway.server.quick_app", port]
    environment = {**os.environ, **log, "ENRICHER_WORKERS": str(WORKERS), "ENRICHER_DEADLINE_S": "10"}
    yield from started(command, environment, port, tmp_path)


def predict(gateway: Deployed, times: int) -> None:
    """Each on a connection of its own, so that both processes get some."""

    def once(_number: int) -> int:
        return requests.post(f"{gateway.url}/predict", json={"user_id": "x"}, timeout=20).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        assert set(clients.map(once, range(times))) == {200}


def rows() -> int:
    return int(fetch(ROWS)[0][0])


def written_by_all(gateway: Deployed) -> tuple[int, list[int]]:
    """Sends until every process has written rows and none is missing: the number sent, and the writers' backends."""
    sent, deadline = 0, time.monotonic() + 60
    while len(backends := [pid for (pid,) in fetch(WRITERS)]) < WORKERS:
        assert time.monotonic() < deadline, f"only {len(backends)} of {WORKERS} processes write"
        predict(gateway, 8)
        sent += 8
        time.sleep(0.5)
    wait_until(lambda: rows() == sent, 20)
    return sent, backends


def test_each_process_writes_its_rows_and_the_metric_counts_all(gateway: Deployed) -> None:
    sent, _ = written_by_all(gateway)
    line = re.compile(rf'^gateway_prediction_log_rows_total{{outcome="written"}} {sent}\.0$', re.MULTILINE)
    wait_until(lambda: line.search(requests.get(f"{gateway.url}/metrics", timeout=20).text), 40)


def test_the_last_rows_are_written_when_it_stops(gateway: Deployed) -> None:
    predict(gateway, 40)
    gateway.process.terminate()
    assert gateway.process.wait(30) == 0
    assert rows() == 40


def test_a_kill_loses_at_most_a_second(gateway: Deployed) -> None:
    answered: list[float] = []
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert requests.post(f"{gateway.url}/predict", json={"user_id": "x"}, timeout=20).status_code == 200
        answered.append(time.monotonic())
    leader = psutil.Process(gateway.process.pid)
    for process in [*leader.children(recursive=True), leader]:
        process.kill()
    killed_at = time.monotonic()
    gateway.process.wait(10)
    assert rows() >= sum(moment < killed_at - 1 for moment in answered) > 0


def test_a_frozen_postgresql_delays_no_answer_and_no_stop(gateway: Deployed) -> None:
    sent, backends = written_by_all(gateway)
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        predict(gateway, 40)
        gateway.process.terminate()
        assert gateway.process.wait(30) == 0
        assert sent <= rows() < sent + 40  # a process may have opened a further connection since
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    log = gateway.log.read_text()
    assert "rows lost since the start" in log
    assert "stopped" in log


def test_without_its_role_there_is_no_log(with_roles: Settings, tmp_path: Path) -> None:
    port = str(free_port())
    command = [sys.executable, "-m", "tests.gateway.server.quick_app", port]
    for gateway in started(command, dict(os.environ), port, tmp_path):
        predict(gateway, 8)
        gateway.process.terminate()
        gateway.process.wait(30)
    assert rows() == 0
