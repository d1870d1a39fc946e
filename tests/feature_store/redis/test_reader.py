"""The gateway's reader of Redis: the same bits as from PostgreSQL, within the deadline, with recovery."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.testbed.redis_server import RedisServer
from feature_store.plans import make_plan
from feature_store.pool import OnlineReadError, OnlineReadTimeout
from feature_store.postgres.reader import PostgresReader
from feature_store.readers import open_reader
from feature_store.reading import FeatureRow, Plan, Reader
from feature_store.store import open_store
from local_stack.settings import Settings
from tests.conftest import FEBRUARY, JANUARY
from tests.feature_store.postgres.test_reader import soon, users, write
from tests.redis_online import needs_redis, redis_online, redis_server

__all__ = ["redis_online", "redis_server"]

pytestmark = needs_redis
JANUARYS_MOMENT = datetime(2024, 1, 31, tzinfo=UTC)


def materialize(as_of: date) -> None:
    from steps import materialize  # noqa: PLC0415 - imports mlflow

    materialize.main(["--as-of", str(as_of)])


@pytest.fixture
def january_online(january_loaded: Settings, redis_online: RedisServer) -> RedisServer:
    materialize(JANUARY)
    return redis_online


@pytest.fixture
def plan(january_online: RedisServer) -> Plan:
    return make_plan("churn_v1")


@pytest.fixture
def reader(redis_online: RedisServer) -> Iterator[Reader]:
    reader = open_reader()
    yield reader
    reader.close()


def comparable(rows: list[FeatureRow]) -> list[tuple[str, dict[str, datetime]]]:
    """repr tells 0.0 from -0.0, and 1 from True and 1.0."""
    return [(repr(row.features), row.event_times) for row in rows]


ODD_VALUES = {"monthly_fee": -0.0, "net_service": 'a"\\,é', "months_active": None}


def write_odd_values() -> None:
    store = open_store()
    write(store, "payments_agg_90d_fv", "half known", {"failed_payments_90d": 3})
    write(store, "subs_profile_fv", 'odd "é\\,{}', ODD_VALUES)
    write(store, "subs_profile_fv", "no number", {"monthly_fee": float("nan"), "months_active": 1})
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


@pytest.mark.parametrize("service", ["churn_v1", "churn_v2"])
def test_values_and_event_times_are_those_of_postgresql_and_feast(
    january_loaded: Settings, redis_online: RedisServer, reader: Reader, service: str
) -> None:
    user_ids = [*users(), "half known", 'odd "é\\,{}', "no number", "nobody", *users()[:1]]
    answers = {}
    for online_store in ("postgres", "redis"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STREAMFLOW_ONLINE_STORE", online_store)
            materialize(JANUARY)
            write_odd_values()
            answers[online_store] = comparable(open_reader().read(make_plan(service), user_ids, soon()))
    assert answers["redis"] == answers["postgres"]
    assert open_reader().__class__.__name__ == "RedisReader"
    assert answers["redis"][0][1] == dict.fromkeys(make_plan(service).views, JANUARYS_MOMENT)

    store = open_store()
    feast = store.get_online_features(
        features=store.get_feature_service(service), entity_rows=[{"user_id": user} for user in users()]
    ).to_dict()
    rows = reader.read(make_plan(service), users(), soon())
    names = make_plan(service).names
    assert {name: [repr(row.features[name]) for row in rows] for name in names} == {
        name: [repr(value) for value in feast[name]] for name in names
    }
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


def test_newest_returns_the_event_time_of_the_month_online(
    january_online: RedisServer, plan: Plan, reader: Reader
) -> None:
    assert reader.newest(plan, soon()) == JANUARYS_MOMENT
    with january_online.client() as client:
        client.flushall()
    assert reader.newest(plan, soon()) is None


def test_each_read_is_of_one_month(
    january_online: RedisServer, plan: Plan, reader: Reader, sample_months: Path, ingest: Callable[[Path, date], None]
) -> None:
    ingest(sample_months / "month_001", FEBRUARY)
    seen, done, user_ids = set[tuple[datetime, ...]](), threading.Event(), users()

    def read() -> None:
        while not done.is_set():
            rows = reader.read(plan, user_ids, soon())
            seen.add(tuple(sorted({moment for row in rows for moment in row.event_times.values()})))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    materialize(FEBRUARY)
    time.sleep(0.1)
    done.set()
    for thread in readers:
        thread.join()
    assert seen == {(JANUARYS_MOMENT,), (datetime(2024, 2, 29, tzinfo=UTC),)}


def test_an_empty_redis_is_an_error(january_online: RedisServer, plan: Plan, reader: Reader) -> None:
    reader.read(plan, ["anna"], soon())
    with january_online.client() as client:
        client.flushall()
    for _ in range(2):
        with pytest.raises(OnlineReadError, match=r"Nothing is online in Redis.*-e materialize"):
            reader.read(plan, ["anna"], soon())
    materialize(JANUARY)
    assert None not in reader.read(plan, users()[:1], soon())[0].features.values()


def test_a_cut_connection_is_replaced_within_the_same_read(
    january_online: RedisServer, plan: Plan, reader: Reader
) -> None:
    expected = reader.read(plan, users(), soon())
    with january_online.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert reader.read(plan, users(), soon()) == expected


def test_a_read_from_a_frozen_redis_ends_at_the_deadline(
    january_online: RedisServer, plan: Plan, reader: Reader
) -> None:
    reader.read(plan, ["anna"], soon())
    os.kill(january_online.process.pid, signal.SIGSTOP)
    try:
        for _ in range(2):  # on the existing connection, and on a new one
            began = time.monotonic()
            with pytest.raises(OnlineReadTimeout):
                reader.read(plan, ["anna"], soon(0.2))
            assert 0.2 <= time.monotonic() - began < 1
    finally:
        os.kill(january_online.process.pid, signal.SIGCONT)
    assert reader.read(plan, ["anna"], soon())


def test_reads_recover_after_redis_was_stopped(january_online: RedisServer, plan: Plan, reader: Reader) -> None:
    expected = reader.read(plan, users(), soon())
    january_online.stop()
    try:
        with pytest.raises(OnlineReadError, match="does not answer"):
            reader.read(plan, ["anna"], soon())
    finally:
        january_online.start()
    with pytest.raises(OnlineReadError, match="Nothing is online"):  # this Redis has no disk
        reader.read(plan, ["anna"], soon())
    materialize(JANUARY)
    assert reader.read(plan, users(), soon()) == expected


def test_a_refused_password_is_an_error(january_online: RedisServer, plan: Plan, monkeypatch: Any) -> None:
    monkeypatch.setenv("STREAMFLOW_REDIS", january_online.url.replace("://", "://:wrong@"))
    with pytest.raises(OnlineReadError, match="password"):
        open_reader().read(plan, ["anna"], soon())


def test_without_the_setting_values_come_from_postgresql(server: Settings) -> None:
    assert isinstance(open_reader(), PostgresReader)
