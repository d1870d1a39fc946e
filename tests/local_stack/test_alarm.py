"""The stack's own Prometheus, scraping every second: real faults raise their alerts, and calm seconds none."""

import os
import signal
import time
from collections.abc import Iterator
from unittest import mock

import psutil
import pytest
import requests
import yaml

from bench.testbed import faults
from bench.testbed.testbed import Testbed, read_users
from local_stack import processes
from tests.local_stack.conftest import HAS_PROMETHEUS, OwnStack
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_PROMETHEUS, reason="prometheus is not installed: apt-get install prometheus"),
]
CALM_S, PAUSE_S, FROZEN_S = 20.0, 0.3, 3.0
FIRES_WITHIN_S = 120.0
BREAKER_S = 30.0  # CircuitBreakerOpen fires after this time


class Alerts:
    """Prometheus' answers."""

    def __init__(self, stack: OwnStack) -> None:
        self._address = f"http://127.0.0.1:{stack.environment['PROMETHEUS_PORT']}/api/v1"

    def firing(self) -> set[tuple[str, str]]:
        """Name and part of each alert that fires."""
        alerts = requests.get(f"{self._address}/alerts", timeout=10).json()["data"]["alerts"]
        labels = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        return {(alert["alertname"], alert.get("part", "")) for alert in labels}

    def value(self, query: str) -> float | None:
        answer = requests.get(f"{self._address}/query", params={"query": query}, timeout=10).json()
        results = answer["data"]["result"]
        return float(results[0]["value"][1]) if results else None


class Client:
    """Asks for predictions one by one."""

    def __init__(self, testbed: Testbed) -> None:
        self._address = f"{testbed.settings.address('GATEWAY_PORT')}/predict"
        self._user = testbed.users[0]

    def predict(self, pause_s: float) -> None:
        requests.post(self._address, json={"user_id": self._user}, timeout=10)
        time.sleep(pause_s)

    def ask_for(self, seconds: float, pause_s: float = 0.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.predict(pause_s)

    def ask_until_firing(self, alerts: Alerts, alert: tuple[str, str]) -> None:
        deadline = time.monotonic() + FIRES_WITHIN_S
        while alert not in alerts.firing():
            assert time.monotonic() < deadline, f"{alert} does not fire"
            self.predict(PAUSE_S)


@pytest.fixture(scope="module")
def testbed(up_stack: OwnStack) -> Iterator[Testbed]:
    with mock.patch.dict(os.environ, up_stack.settings.exported()):
        yield Testbed(up_stack.settings, read_users(up_stack.months))


@pytest.fixture(scope="module")
def alerts(up_stack: OwnStack) -> Alerts:
    """Of the stack's Prometheus, which from now on scrapes every second."""
    file = up_stack.settings.state / "monitoring" / "prometheus.yml"
    configuration = yaml.safe_load(file.read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    file.write_text(yaml.safe_dump(configuration))
    [service] = [s for s in processes.load_state(up_stack.settings)["services"] if s["name"] == "Prometheus"]
    psutil.Process(service["pid"]).send_signal(signal.SIGHUP)
    alerts = Alerts(up_stack)
    wait_until(lambda: (alerts.value("count_over_time(up{job='gateway'}[10s])") or 0) >= 5, 60, 0.5)
    return alerts


def test_calm_seconds_raise_no_alert_and_both_targets_are_read(testbed: Testbed, alerts: Alerts) -> None:
    Client(testbed).ask_for(CALM_S)

    assert alerts.value("min(up)") == 1
    answered = 'api_requests_total == sum by (job, instance) (gateway_requests_total{route=~"/predict|shed"})'
    assert wait_until(lambda: alerts.value(answered), 30, 0.5)
    assert (alerts.value("gateway:requests:rate5m") or 0) > 0
    assert (alerts.value('streamflow_step_success_timestamp_seconds{step="ingest"}') or 0) > time.time() - 3600
    assert alerts.firing() == set()


def test_a_frozen_postgres_raises_the_breaker_of_the_store_and_nothing_else(testbed: Testbed, alerts: Alerts) -> None:
    before = alerts.firing()
    client = Client(testbed)
    children = [*testbed.postmaster().children(recursive=True), testbed.postmaster()]
    for process in children:
        process.suspend()
    try:
        client.ask_for(FROZEN_S, PAUSE_S)
    finally:
        for process in reversed(children):
            process.resume()

    client.ask_until_firing(alerts, ("CircuitBreakerOpen", "store"))

    assert alerts.firing() - before == {("CircuitBreakerOpen", "store")}


def test_a_killed_model_server_raises_one_alert(testbed: Testbed, alerts: Alerts) -> None:
    before = alerts.firing()
    client = Client(testbed)
    faults.kill_model(testbed)

    client.ask_until_firing(alerts, ("NoModelServes", "model"))
    client.ask_for(BREAKER_S, PAUSE_S)

    assert alerts.firing() - before == {("NoModelServes", "model")}
