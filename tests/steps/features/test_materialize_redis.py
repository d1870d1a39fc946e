"""One month online in Redis: the newest snapshot and nothing else, as in PostgreSQL."""

import os
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bench.testbed.redis_server import RedisServer
from local_stack.settings import Settings
from steps import build_dataset, materialize
from steps.cli.errors import BadParameter, OnlineStoreUnavailable
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.redis_online import needs_redis, redis_online, redis_server
from tests.steps.states.killed import PATIENCE_S, Step, kill, start
from tests.steps.states.online import in_snapshot, served
from tests.waiting import wait_until

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
    february = in_snapshot(FEBRUARY)
    assert served(list(february)) == february
    assert "nothing changed" in capsys.readouterr().out


def test_users_gone_from_the_newest_month_disappear_and_repeating_changes_nothing(february_loaded: RedisServer) -> None:
    for _ in range(2):
        put(FEBRUARY)
        february = in_snapshot(FEBRUARY)
        assert served(list(february)) == february
        present = [user for user, values in february.items() if set(values) != {None}]
        assert keys(february_loaded) == len(present) + 2  # the month that is read, and the one written last
    assert len(present) < len(february)


def wait_for_next_month(redis: RedisServer, process: Step) -> None:
    def has_started() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool(client.get("streamflow:next") != before)

    with redis.client() as client:
        before = client.get("streamflow:next")
        wait_until(has_started, PATIENCE_S, pause=0.0)


@pytest.mark.parametrize("later_s", [0.0, 0.01, 0.03])
def test_a_run_killed_while_writing_leaves_one_month_and_the_next_repairs_it(
    february_loaded: RedisServer, later_s: float
) -> None:
    old, new = (in_snapshot(as_of) for as_of in (JANUARY, FEBRUARY))
    process = start(Settings.from_env(), "steps.materialize", "--as-of", str(FEBRUARY))
    try:
        wait_for_next_month(february_loaded, process)
        time.sleep(later_s)
    finally:
        kill(process)
    assert served(list(new)) in (old, new)
    put(FEBRUARY)
    assert served(list(new)) == new


def test_an_unreachable_redis_is_an_error_that_names_its_setting(
    february_loaded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFLOW_REDIS", "redis://127.0.0.1:1/0")
    with pytest.raises(OnlineStoreUnavailable, match=r"STREAMFLOW_REDIS.*refused"):
        put(FEBRUARY)


def test_a_full_redis_is_an_error_and_keeps_the_old_month(february_loaded: RedisServer) -> None:
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


def test_an_invalid_online_store_is_an_error(february_loaded: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_ONLINE_STORE", "memcached")
    with pytest.raises(BadParameter, match="STREAMFLOW_ONLINE_STORE='memcached': must be postgres or redis"):
        put(FEBRUARY)
