"""Our online store in Redis against Feast's own: the same keys, fields and values, and one month per read."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from bench.testbed.redis_server import RedisServer
from feature_store.plain_feast import import_feast
from feature_store.readers import open_reader
from feature_store.settings import UnusableOnlineStore
from feature_store.store import apply_definitions, feature_types, open_store
from local_stack.settings import Settings
from tests.feature_store.postgres.test_online_store import ANNA, FEBRUARY, JANUARY, ODD_IDS, WRITES, entity_key, proto
from tests.redis_online import needs_redis, redis_online, redis_server
from tests.sql import empty_registry_too, execute

__all__ = ["redis_online", "redis_server"]

pytestmark = needs_redis
VIEW = "subs_profile_fv"


class Online:
    """An online store with its own database in Redis."""

    def __init__(self, kind: str, address: str, server: RedisServer) -> None:
        feast = import_feast()
        from feast.infra.online_stores.helpers import get_online_store_from_config  # noqa: PLC0415

        from feature_repo.features import subs_profile_fv  # noqa: PLC0415 - both import feast

        self.view, self.client = subs_profile_fv, server.client()
        self.config = feast.RepoConfig(
            project="streamflow",
            provider="local",
            registry="memory",
            entity_key_serialization_version=3,
            online_store={"type": kind, "connection_string": address},
        )
        self.store = get_online_store_from_config(self.config.online_store)

    def write(self, *rows: tuple[str, dict[str, Any], datetime]) -> None:
        data = [(entity_key(user), {name: proto(value) for name, value in values.items()}, at, None)
                for user, values, at in rows]  # fmt: skip
        self.store.online_write_batch(self.config, self.view, data, None)

    def read(self, *users: str) -> list[dict[str, Any]]:
        rows = self.store.online_read(self.config, self.view, [entity_key(user) for user in users], list(ANNA))
        return [{name: getattr(value, value.WhichOneof("val") or "", None) for name, value in values.items()}
                for _moment, values in rows]  # fmt: skip

    def next_month(self, moment: datetime) -> Any:
        from feature_store.redis.store import NextMonth  # noqa: PLC0415 - imports feast

        return NextMonth(self.config.online_store.connection_string, "streamflow", moment)

    def put(self, moment: datetime, users: list[str], fee: float) -> None:
        month = self.next_month(moment)
        month.begin()
        fill(month, users, fee)
        month.switch_over()
        month.clear()
        month.close()

    def hashes(self) -> dict[bytes, dict[bytes, bytes]]:
        return {key: self.client.hgetall(key) for key in self.client.keys("*") if self.client.type(key) == b"hash"}


def fill(month: Any, users: list[str], fee: float) -> None:
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports feast

    fees = ([proto(fee).SerializeToString()], [0] * len(users))
    month.write(VIEW, list(entity_keys(users)), {"monthly_fee": fees})


def without_month(hashes: dict[bytes, dict[bytes, bytes]]) -> dict[bytes, dict[bytes, bytes]]:
    return {key.rsplit(b"/", 1)[0]: values for key, values in hashes.items()}


@pytest.fixture
def monthly(redis_online: RedisServer) -> Iterator[Online]:
    online = Online("feature_store.redis.store.MonthlyRedisOnlineStore", redis_online.url, redis_online)
    yield online
    online.store.close_connections()
    online.client.close()


@pytest.fixture
def stock(redis_online: RedisServer) -> Iterator[Online]:
    online = Online("redis", f"127.0.0.1:{redis_online.port},db=1", redis_online)
    online.client.select(1)
    yield online
    online.client.close()


@pytest.mark.parametrize("rows", WRITES.values(), ids=WRITES)
def test_before_the_first_month_the_hashes_are_those_of_feasts_own_store(
    monthly: Online, stock: Online, rows: list[Any]
) -> None:
    for online in (monthly, stock):
        online.write(*rows)
    assert monthly.hashes() == stock.hashes()
    assert bool(monthly.hashes()) == bool(rows)


def test_a_months_hashes_are_those_of_feasts_own_store_except_for_the_month(monthly: Online, stock: Online) -> None:
    monthly.put(JANUARY, ODD_IDS, 98.7)
    stock.write(*((user, {"monthly_fee": 98.7}, JANUARY) for user in ODD_IDS))
    assert without_month(monthly.hashes()) == stock.hashes()
    assert len(monthly.hashes()) == len(ODD_IDS)


def test_feasts_own_write_changes_the_month_online_and_no_newer_value(monthly: Online) -> None:
    monthly.put(JANUARY, ["anna"], 98.7)
    monthly.write(("anna", {"monthly_fee": 99.9}, FEBRUARY), ("ben", {"monthly_fee": 1.0}, JANUARY))
    monthly.write(("anna", {"monthly_fee": 2.0}, JANUARY))
    assert [row["monthly_fee"] for row in monthly.read("anna", "ben", "nobody")] == [99.9, 1.0, None]
    assert len(monthly.hashes()) == 2


def test_an_unfinished_month_is_not_read_and_the_next_one_deletes_it(monthly: Online) -> None:
    monthly.put(JANUARY, ["anna", "ben"], 98.7)
    killed = monthly.next_month(FEBRUARY)
    killed.begin()
    fill(killed, ["anna", "cara"], 99.9)

    assert [row["monthly_fee"] for row in monthly.read("anna", "ben", "cara")] == [98.7, 98.7, None]

    monthly.put(FEBRUARY, ["cara"], 99.9)
    assert [row["monthly_fee"] for row in monthly.read("anna", "ben", "cara")] == [None, None, 99.9]
    assert len(monthly.hashes()) == 1


def test_keys_of_other_programs_are_kept(monthly: Online) -> None:
    foreign = {b"streamflow": b"1", b"anna:streamflow/2024-01-31.00000000": b"2", b"x": b"3"}
    monthly.client.mset(foreign)
    monthly.put(JANUARY, ["anna"], 98.7)
    monthly.put(FEBRUARY, ["anna"], 99.9)
    assert dict(zip(foreign, monthly.client.mget(list(foreign)), strict=True)) == foreign


def test_a_month_that_another_run_overtook_does_not_go_online(monthly: Online) -> None:
    from feature_store.redis.store import OvertakenError  # noqa: PLC0415 - imports feast

    slow = monthly.next_month(FEBRUARY)
    slow.begin()
    monthly.put(JANUARY, ["anna"], 98.7)
    with pytest.raises(OvertakenError):
        slow.switch_over()
    assert monthly.read("anna")[0]["monthly_fee"] == 98.7


def test_an_older_month_does_not_go_online(monthly: Online) -> None:
    from feature_store.redis.store import OvertakenError  # noqa: PLC0415 - imports feast

    monthly.put(FEBRUARY, ["anna"], 99.9)
    with pytest.raises(OvertakenError):
        monthly.put(JANUARY, ["anna"], 98.7)
    assert monthly.read("anna")[0]["monthly_fee"] == 99.9


def test_a_read_of_many_users_is_of_one_month_while_months_change(monthly: Online) -> None:
    users = [f"user {number}" for number in range(200)]
    monthly.put(JANUARY, users, 0.0)
    seen, done = set[tuple[float, ...]](), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(tuple(sorted({row["monthly_fee"] for row in monthly.read(*users)})))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        monthly.put(JANUARY, users, float(number))
    done.set()
    reader.join()
    assert len(seen) > 2
    assert all(len(fees) == 1 for fees in seen)


def test_an_error_of_redis_ends_the_write_with_its_message(monthly: Online) -> None:
    from redis import ResponseError  # noqa: PLC0415 - an extra

    monthly.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(ResponseError, match="maxmemory"):
            fill(monthly.next_month(JANUARY), ["anna"], 1.0)
    finally:
        monthly.client.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("online_store", "url", "problem"),
    [
        ("memcached", "", "STREAMFLOW_ONLINE_STORE='memcached': must be postgres or redis"),
        ("redis", ":secret@host:6379", r"STREAMFLOW_REDIS='\*\*\*@host:6379': must be an address like redis://127"),
        (
            "redis",
            "127.0.0.1:6379",
            "STREAMFLOW_REDIS='127.0.0.1:6379': must be an address like redis://127.0.0.1:6379/0",
        ),
        (
            "redis",
            "redis://127.0.0.1:port/0",
            "STREAMFLOW_REDIS='redis://127.0.0.1:port/0': must be an address like redis://127.0.0.1:6379/0",
        ),
    ],
)
def test_an_invalid_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, online_store: str, url: str, problem: str
) -> None:
    monkeypatch.setenv("STREAMFLOW_ONLINE_STORE", online_store)
    monkeypatch.setenv("STREAMFLOW_REDIS", url)
    with pytest.raises(UnusableOnlineStore, match=problem):
        open_reader()


def test_with_redis_the_definitions_are_applied_as_usual(empty_warehouse: Settings, redis_online: RedisServer) -> None:
    empty_registry_too()
    execute("CREATE SCHEMA IF NOT EXISTS feast_registry; CREATE SCHEMA IF NOT EXISTS feast_online")
    store = open_store()
    apply_definitions(store)
    assert store.config.online_store.connection_string == redis_online.url
    assert list(feature_types(store, "churn_v1"))[:2] == ["months_active", "monthly_fee"]
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()
