"""GET /metrics of the watcher: what serves, what the warehouse has, and both while PostgreSQL does not answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from local_stack.database import postgres
from local_stack.settings import Settings
from rollout import control
from rollout.metrics.page import MetricsPage
from rollout.metrics.readings import Readings
from rollout.registry import RegistryPoll, TargetVersion
from steps import warehouse
from tests.conftest import JANUARY
from tests.rollout.conftest import NAME, watching
from tests.waiting import wait_until

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
LIVE: dict[str, Any] = {"serving": {"version": "7"}, "warnings": [], "problem": None}


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


class Client:
    """A registry that is never asked: its answer is set in `poll`."""


def poll(version: str | None = "7", error: str | None = None) -> RegistryPoll:
    registry = RegistryPoll(Client(), NAME, "Production", 1.0)
    registry.has_answered, registry.error = True, error
    registry.target = TargetVersion(version, None, None, True, 0) if version else None
    return registry


def page(readings: Readings, status: dict[str, Any] = LIVE, registry: RegistryPoll | None = None) -> Samples:
    return samples(MetricsPage(NAME, lambda: status, registry or poll(), readings).text().decode())


@pytest.fixture
def as_watcher(january_loaded: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A loaded month, and the watcher's login in the environment."""
    postgres.apply_roles(january_loaded)
    for name, value in january_loaded.login("watcher").items():
        monkeypatch.setenv(name, value)
    return january_loaded


def as_owner(settings: Settings, write: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PGUSER", "PGPASSWORD"):
            patch.setenv(name, settings[name])
        write()


def figure(metric: str, month: date, verdict: str, estimate: float, part: str = "all users") -> dict[str, Any]:
    return {
        "month": month, "metric": metric, "slice": part, "n": 300, "estimate": estimate, "low": estimate - 0.1,
        "high": estimate + 0.1, "verdict": verdict, "reference": "", "threshold": 0.7, "reason": "",
    }  # fmt: skip


def monitored(version: str, run: str, *figures: dict[str, Any]) -> Callable[[], None]:
    return lambda: warehouse.record_monitoring(warehouse.Monitored(date(2024, 2, 29), version, run), figures)


def read(version: str | None = "7") -> Readings:
    readings = Readings(lambda: version)
    readings.refresh()
    return readings


def test_months_and_the_newest_success_of_a_step_are_read_by_the_watchers_role(as_watcher: Settings) -> None:
    values = page(read())

    assert values[key("streamflow_months")] == 1
    assert values[key("streamflow_newest_month_timestamp_seconds")] == datetime(2024, 1, 31, tzinfo=UTC).timestamp()
    now = datetime.now(UTC).timestamp()
    for name in ("streamflow_month_load_timestamp_seconds", "watcher_warehouse_read_timestamp_seconds"):
        assert now - 300 < values[key(name)] <= now
    assert now - 300 < values[key("streamflow_step_success_timestamp_seconds", step="ingest")] <= now
    assert key("streamflow_unlabelled_month_load_timestamp_seconds") not in values, "January has its labels"


def test_a_month_without_labels_shows_when_it_was_loaded(as_watcher: Settings) -> None:
    as_owner(as_watcher, lambda: execute("DELETE FROM labels"))

    values = page(read())

    assert values[key("streamflow_unlabelled_month_load_timestamp_seconds")] == pytest.approx(
        values[key("streamflow_month_load_timestamp_seconds")]
    )


def execute(statement: str) -> None:
    with warehouse.transaction() as cur:
        cur.execute(statement)


def test_the_newest_figures_of_the_live_version_are_shown(as_watcher: Settings) -> None:
    before = monitored("7", "run-1", figure("AUC", JANUARY, "ok", 0.8))
    newest = monitored(
        "7", "run-2", figure("AUC", JANUARY, "ok", 0.81), figure("AUC", date(2024, 2, 29), "alarm", 0.49),
        figure("calibration_gap", JANUARY, "none", 0.2),
    )  # fmt: skip
    for write in (before, newest, monitored("8", "run-3", figure("AUC", JANUARY, "watch", 0.6))):
        as_owner(as_watcher, write)

    values = page(read())

    of_auc = {"version": "7", "as_of": "2024-02-29", "metric": "AUC", "slice": "all users", "reference": ""}
    shown = {name: value for name, value in values.items() if name[0].startswith("streamflow_monitoring_verdict")}
    assert shown == {key("streamflow_monitoring_verdict", **of_auc, month="2024-02-29"): 2}
    assert values[key("streamflow_monitoring_estimate", **of_auc, month="2024-02-29")] == 0.49
    assert values[key("streamflow_monitoring_high", **of_auc, month="2024-02-29")] == pytest.approx(0.59)
    assert key("streamflow_monitoring_timestamp_seconds") in values


def test_the_versions_and_the_registry_are_shown() -> None:
    values = page(Readings(lambda: None))
    assert values[key("watcher_live_version", model=NAME, version="7")] == 1
    assert values[key("watcher_target_version", model=NAME, version="7")] == 1
    assert (values[key("watcher_registry_reachable")], values[key("watcher_problem")]) == (1, 0)

    failing: dict[str, Any] = {"serving": None, "warnings": [], "problem": "Version 8 cannot serve"}
    values = page(Readings(lambda: None), failing, poll("8", error="The registry does not answer"))
    assert [name for name in values if name[0] == "watcher_live_version"] == []
    assert (values[key("watcher_registry_reachable")], values[key("watcher_problem")]) == (0, 1)


def test_a_failed_reading_keeps_the_values_and_their_age_and_is_logged_once(
    as_watcher: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    readings = read()
    before = readings.read_at
    monkeypatch.setenv("PGPORT", "1")

    for _ in range(2):
        readings.refresh()

    assert readings.read_at == before
    assert page(readings)[key("streamflow_months")] == 1
    assert [record.getMessage()[:60] for record in caplog.records] == [
        "/metrics shows old values of the warehouse, which cannot be "
    ]


@pytest.fixture
def hanging_read() -> Iterator[Readings]:
    """A reading that waits for a database until the test is over."""
    over = threading.Event()
    readings = Readings(lambda: "7", lambda _version: over.wait(60) and None)  # type: ignore[arg-type, return-value]
    readings.start()
    yield readings
    over.set()


def test_a_reading_that_hangs_delays_no_answer(hanging_read: Readings) -> None:
    metrics = MetricsPage(NAME, lambda: LIVE, poll(), hanging_read)
    server = control.serve("127.0.0.1", 0, lambda: LIVE, (), metrics.text)
    address = f"http://127.0.0.1:{server.server_port}"
    with closing(server.socket):
        assert requests.get(f"{address}/live", timeout=2).json() == LIVE
        answer = requests.get(f"{address}/metrics", timeout=2)
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert samples(answer.text)[key("watcher_live_version", model=NAME, version="7")] == 1
        foreign = requests.get(f"{address}/metrics", headers={"Host": "evil.example"}, timeout=2)
        assert foreign.status_code == requests.codes.misdirected_request
        server.shutdown()


def test_a_watcher_whose_database_never_answers_shows_its_own_metrics(
    server: Settings, tracking: str, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = str(silent.getsockname()[1])
        with watching("without_a_version", server, tmp_path, PGPORT=port) as running:
            running.wait_for(lambda status: status["serving"] is None)

            def shown() -> Samples:
                return samples(requests.get(f"{running.url}/metrics", timeout=2).text)

            wait_until(lambda: shown()[key("watcher_registry_reachable")] == 1, 30, 0.1)
            assert key("watcher_warehouse_read_timestamp_seconds") not in shown()
