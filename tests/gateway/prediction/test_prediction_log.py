"""Answered users become rows of PostgreSQL, never at a request's cost, and every value reads back bit for bit."""

import json
import os
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from feature_enricher.app import create_app
from feature_enricher.errors.requests import UnknownUser
from feature_enricher.prediction import log_queue, log_writer
from feature_enricher.prediction.log_writer import PredictionLog
from feature_enricher.prediction.predictor import Item
from feature_enricher.upstream.model_server import Prediction
from feature_enricher.upstream.targets import FixedModelServer
from feature_store.reading import FeatureRow
from local_stack.settings import Settings
from steps.warehouse.connection import event_time
from tests.gateway.fakes import USER, FakeFeatureList, FakeFeatures, FakeModel
from tests.steps.states.database import execute, fetch
from tests.waiting import wait_until

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
VALUES = {"float": 0.1 + 0.2, "minus": -0.0, "large": 1e16, "huge": 1.7976931348623157e308, "tiny": 5e-324,
          "whole": 2**63 - 1, "flag": True, "text": 'a\\b\t"é\u2028'}  # fmt: skip


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
def log(with_roles: Settings, counted: Counter[str]) -> Iterator[PredictionLog]:
    login = with_roles.login("log")
    writer = PredictionLog(
        login["PGUSER"], login["PGPASSWORD"], 1, lambda outcome, rows: counted.update({outcome: rows})
    )
    writer.start()
    yield writer
    writer.close()


def prediction(features: dict[str, Any], probability: float = 0.25) -> Prediction:
    row = FeatureRow(features, {"profile": NOON, "usage": NOON + timedelta(microseconds=1)}, ("float",))
    return Prediction(row, 1, probability, "churn", "7", "run", "churn_v1")


def written(counted: Counter[str], rows: int) -> Callable[[], bool]:
    return lambda: counted["written"] == rows


def test_every_value_reads_back_bit_for_bit(log: PredictionLog, counted: Counter[str]) -> None:
    log.append("id-1", [Item('an\\na "b"')], [prediction(VALUES, 0.1 + 0.2)], 1.5)
    wait_until(written(counted, 1), 20)

    [row] = fetch(
        "SELECT request_id, user_id, code, model_version, feature_service, as_of::text, features::text, overridden,"
        " prediction, probability, milliseconds FROM prediction_log"
    )
    read = json.loads(row[6])
    assert list(read.items()) == list(VALUES.items())
    assert [type(value) for value in read.values()] == [type(value) for value in VALUES.values()]
    assert struct.pack(">d", read["minus"]) == struct.pack(">d", -0.0)
    assert row[:5] == ("id-1", 'an\\na "b"', "ok", "7", "churn_v1")
    assert json.loads(row[5]) == {"profile": "2026-03-05T12:00:00+00:00", "usage": "2026-03-05T12:00:00.000001+00:00"}
    assert row[7:] == (["float"], 1, 0.1 + 0.2, 1.5)


def test_refused_users_are_rows_with_their_code(log: PredictionLog, counted: Counter[str]) -> None:
    log.append("id", [Item("known"), Item("x" * 128)], [prediction({"a": 1}), UnknownUser("x", ["a"])], 1)
    wait_until(written(counted, 2), 20)
    rows = fetch("SELECT length(user_id), code, features::text, probability FROM prediction_log ORDER BY code")
    assert rows == [(5, "ok", '{"a":1}', 0.25), (128, UnknownUser.code, None, None)]


def test_a_text_that_postgresql_cannot_store_costs_no_other_row(log: PredictionLog, counted: Counter[str]) -> None:
    log.append("id", [Item("nul\0"), Item("half \ud800"), Item("b")], [UnknownUser("x", ["a"])] * 3, 1)
    wait_until(written(counted, 3), 20)


def test_the_last_rows_are_written_at_the_end(with_roles: Settings, counted: Counter[str]) -> None:
    login = with_roles.login("log")
    log = PredictionLog(login["PGUSER"], login["PGPASSWORD"], 1, lambda outcome, rows: counted.update({outcome: rows}))
    log.start()
    log.append("id", [Item("b")], [UnknownUser("b", ["a"])], 1)
    log.close()
    assert counted == {"written": 1}


def test_a_full_queue_loses_the_newest_rows_and_says_so(
    log: PredictionLog, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "MOST_ROWS", 2)
    error = UnknownUser("b", ["a"])
    log.append("id", [Item("b")] * 2, [error] * 2, 1)
    log.append("id", [Item("b")], [error], 1)
    assert counted["queue_full"] == 1
    assert log.warnings() == ["Prediction log: rows lost since the start: 1 queue_full"]


def test_a_server_that_is_frozen_delays_rows_and_no_request(
    log: PredictionLog, counted: Counter[str], with_roles: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "WRITE_LIMIT_S", 0.5)
    log.append("id", [Item("first")], [UnknownUser("b", ["a"])], 1)
    wait_until(written(counted, 1), 20)
    backend = fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'prediction log'")[0][0]
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.perf_counter()
        log.append("id", [Item("second")], [UnknownUser("b", ["a"])], 1)
        assert time.perf_counter() - began < 0.1
        wait_until(lambda: bool(log.warnings()), 20)
    finally:
        os.kill(backend, signal.SIGCONT)
    wait_until(written(counted, 2), 30)


def test_a_connection_that_was_cut_costs_no_row(log: PredictionLog, counted: Counter[str]) -> None:
    for rows in (1, 2):
        log.append("id", [Item("b")], [UnknownUser("b", ["a"])], 1)
        wait_until(written(counted, rows), 20)
        execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'prediction log'")
    assert counted == {"written": 2}
    assert fetch("SELECT count(*) FROM prediction_log") == [(2,)]


def test_rows_wait_while_the_table_is_missing(log: PredictionLog, counted: Counter[str]) -> None:
    execute("ALTER TABLE prediction_log RENAME TO hidden")
    log.append("id", [Item("b")], [UnknownUser("b", ["a"])], 1)
    wait_until(log.warnings, 20)
    execute("ALTER TABLE hidden RENAME TO prediction_log")
    wait_until(written(counted, 1), 30)
    assert counted == {"written": 1}
    assert log.warnings() == []


def test_a_row_that_is_refused_costs_no_other(log: PredictionLog, counted: Counter[str]) -> None:
    execute("ALTER TABLE prediction_log ADD CHECK (user_id <> 'refused')")
    for user_id in ("a", "refused", "b", "c"):
        log.append("id", [Item(user_id)], [UnknownUser("b", ["a"])], 1)
    wait_until(written(counted, 3), 20)
    assert counted == {"written": 3, "refused": 1}
    assert [row for (row,) in fetch("SELECT user_id FROM prediction_log ORDER BY 1")] == ["a", "b", "c"]


def test_rows_that_wait_while_their_day_is_made_are_stored_in_it(log: PredictionLog, counted: Counter[str]) -> None:
    with closing(psycopg.connect()) as owner:  # as make_log_days does it, until it commits
        first, end = (event_time(datetime.now(UTC).date() + timedelta(days=days)) for days in (0, 1))
        owner.execute("LOCK TABLE prediction_log_default IN ACCESS EXCLUSIVE MODE")
        log.append("id", [Item("b")], [UnknownUser("b", ["a"])], 1)
        wait_until(lambda: fetch("SELECT 1 FROM pg_locks WHERE NOT granted"), 20)
        day = sql.SQL("CREATE TABLE prediction_log_19990101 PARTITION OF prediction_log FOR VALUES FROM ({}) TO ({})")
        owner.execute(day.format(first, end))
        owner.commit()
    wait_until(written(counted, 1), 20)
    assert counted == {"written": 1}
    assert fetch("SELECT tableoid::regclass::text FROM prediction_log") == [("prediction_log_19990101",)]


def test_lost_rows_are_logged_once_in_a_while(
    log: PredictionLog, counted: Counter[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_queue, "MOST_ROWS", 0)
    for _ in range(20):
        log.append("id", [Item("b")], [UnknownUser("b", ["a"])], 1)
        time.sleep(0.1)
    log.close()
    assert counted == {"queue_full": 20}
    lines = [record.getMessage() for record in caplog.records if "rows lost" in record.getMessage()]
    assert lines[-1] == "Prediction log: rows lost since the start: 20 queue_full"
    assert len(lines) <= 2, "one while it runs, one at the end"


def test_an_append_takes_microseconds(log: PredictionLog) -> None:
    items, results = [Item("b")], [UnknownUser("b", ["a"])]
    times = []
    for _ in range(1000):
        began = time.perf_counter()
        log.append("id", items, results, 1)
        times.append(time.perf_counter() - began)
    median = sorted(times)[500]
    print(f"append: {median * 1e6:.1f} µs")
    assert median < 0.001


def test_users_of_requests_are_logged_as_they_were_answered(
    with_roles: Settings, features: FakeFeatures, model: FakeModel
) -> None:
    login = with_roles.login("log")
    config = {"LOG_USER": login["PGUSER"], "LOG_PASSWORD": login["PGPASSWORD"]}
    app = create_app(config, features=features, targets=FixedModelServer("http://model", model, FakeFeatureList()))
    client, components = app.test_client(), app.extensions["streamflow"]
    answer = client.post("/predict", json={"user_id": USER}, headers={"X-Request-ID": "of-a-client"})
    client.post("/predict", json={"user_ids": [USER, "nobody"]})
    components.close()

    rows = fetch(
        "SELECT request_id, user_id, code, features::text, probability FROM prediction_log ORDER BY answered_at"
    )
    body = answer.get_json()
    assert rows[0][:3] == ("of-a-client", USER, "ok")
    assert (json.loads(rows[0][3]), rows[0][4]) == (body["features_used"], body["probability"])
    assert sorted(row[1:3] for row in rows[1:]) == sorted([(USER, "ok"), ("nobody", "unknown_user")])
    assert b'gateway_prediction_log_rows_total{outcome="written"} 3.0' in components.metrics.page()
