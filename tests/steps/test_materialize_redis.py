"""One month online in Redis: as in PostgreSQL, the newest snapshot and nothing else, whatever happened before."""

import os
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bench.redis_server import RedisServer
from local_stack.settings import Settings
from steps import build_dataset, materialize
from steps.entry_points import arguments
from steps.errors import BadParameter, OnlineStoreUnavailable

from ..conftest import FEBRUARY, JANUARY
from ..redis_online import needs_redis, redis_online, redis_server
from ..waiting import wait_until
from .killed import PATIENCE_S, Step, kill, start
from .online import in_snapshot, served

__all__ = ["redis_online", "redis_server"]

pytestmark = needs_redis
Ingest = Callable[[Path, date], None]


def put(as_of: date) -> None:
    materialize.main(["--as-of", str(as_of)])


def keys(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.dbsize())


@pytest.fixture
def february_loaded(january: Path, february_folder: Path, ingest: Ingest, redis_online: RedisServer) -> RedisServer:
    put(JANUARY)
    ingest(february_folder, FEBRUARY)
    return redis_online


@pytest.mark.parametrize("service", ["churn_v1", "churn_v2"])
def test_online_equals_the_snapshot_for_every_user_and_feature(
    january_loaded: Settings, redis_online: RedisServer, sample_months: Path, ingest: Ingest, service: str
) -> None:
    ingest(sample_months / "month_001", FEBRUARY)
    for as_of in (JANUARY, FEBRUARY):
        put(as_of)
        expected = in_snapshot(as_of, service)
        assert served(list(expected), service) == expected


def test_january_after_february_leaves_the_values_of_february(
    february_loaded: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    put(FEBRUARY)
    put(JANUARY)
    everybody = in_snapshot(FEBRUARY)
    assert served(list(everybody)) == everybody
    assert "left as it is" in capsys.readouterr().out


def test_users_gone_from_the_newest_month_disappear_and_repeating_changes_nothing(february_loaded: RedisServer) -> None:
    for _ in range(2):
        put(FEBRUARY)
        everybody = in_snapshot(FEBRUARY)
        assert served(list(everybody)) == everybody
        present = [user for user, values in everybody.items() if set(values) != {None}]
        assert keys(february_loaded) == len(present) + 2  # the month that is read, and the one written last
    assert len(present) < len(everybody)


def wait_for_the_next_month(redis: RedisServer, process: Step) -> None:
    def is_another() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool(client.get("streamflow:next") != before)

    with redis.client() as client:
        before = client.get("streamflow:next")
        wait_until(is_another, PATIENCE_S, pause=0.0)


@pytest.mark.parametrize("later_s", [0.0, 0.01, 0.03])
def test_a_run_that_is_killed_while_it_writes_leaves_one_month_and_is_repaired_by_the_next(
    february_loaded: RedisServer, later_s: float
) -> None:
    old, new = (in_snapshot(as_of) for as_of in (JANUARY, FEBRUARY))
    process = start(Settings.from_env(), "steps.materialize", "--as-of", str(FEBRUARY))
    try:
        wait_for_the_next_month(february_loaded, process)
        time.sleep(later_s)
    finally:
        kill(process)
    assert served(list(new)) in (old, new)
    put(FEBRUARY)
    assert served(list(new)) == new


def test_a_redis_that_is_not_there_is_said_with_its_address_setting_and_changes_nothing(
    february_loaded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFLOW_REDIS", "redis://127.0.0.1:1/0")
    with pytest.raises(OnlineStoreUnavailable, match=r"STREAMFLOW_REDIS.*refused"):
        put(FEBRUARY)


def test_a_redis_that_is_full_is_said_and_leaves_the_old_month(february_loaded: RedisServer) -> None:
    before = served(["anna", "ben", "cara"])
    with february_loaded.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OnlineStoreUnavailable, match="maxmemory"):
                put(FEBRUARY)
        finally:
            client.config_set("maxmemory", 0)
    assert served(list(before)) == before


def test_training_sets_need_no_redis(february_loaded: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    os.kill(february_loaded.process.pid, signal.SIGSTOP)
    try:
        build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"}))
    finally:
        os.kill(february_loaded.process.pid, signal.SIGCONT)


def test_an_online_store_that_is_none_is_said(february_loaded: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_ONLINE_STORE", "memcached")
    with pytest.raises(BadParameter, match="STREAMFLOW_ONLINE_STORE='memcached': must be postgres or redis"):
        put(FEBRUARY)
