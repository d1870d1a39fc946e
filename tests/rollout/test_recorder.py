"""The serving history while PostgreSQL is unavailable."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rollout import recorder
from rollout.recorder import HistoryRecorder
from steps.warehouse import Cutover, Decision
from tests.waiting import wait_until


class Warehouse:
    """Fails as often as it is told to, then records."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.versions: list[str | None] = []

    def apply_schema(self) -> None:
        pass

    def record_cutover(self, _model: str, cutover: Cutover) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("connection refused\nIs the server running?")
        self.versions.append(cutover.version)

    def record_decision(self, _model: str, decision: Decision) -> None:
        self.record_cutover(_model, Cutover(datetime.now(UTC), decision.version, None, None, None, ""))


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Iterator[HistoryRecorder]:
    monkeypatch.setattr(recorder, "RETRY_S", 0.01)
    history = HistoryRecorder("streamflow_churn")
    history.start()
    yield history
    history.stop()


def cutover(version: str) -> Cutover:
    return Cutover(datetime.now(UTC), version, None, None, None, "promotion")


def decision(version: str) -> Decision:
    return Decision("rollback", "turned_back", None, version, "it failed", {}, "watcher", "a" * 64)


def test_rows_wait_in_order_and_the_log_names_the_reason_once(
    history: HistoryRecorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = Warehouse(failures=3)
    monkeypatch.setattr(recorder, "warehouse", warehouse)

    for row in (cutover("1"), cutover("2"), decision("3")):
        history.add(row)
    wait_until(lambda: history.behind == 0)

    assert warehouse.versions == ["1", "2", "3"]
    assert [record.getMessage() for record in caplog.records] == [
        "The serving history cannot be written; rows wait: ConnectionError: connection refused"
    ]
