"""Fixtures with Redis as online store: a private server; without an installed Redis the tests are skipped."""

from collections.abc import Iterator

import pytest

from bench.testbed.redis_server import RedisServer, missing, open_redis
from tests.conftest import free_port

needs_redis = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with open_redis(free_port()) as server:
        yield server


@pytest.fixture
def redis_online(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """An empty Redis, set as the online store."""
    with redis_server.client() as client:
        client.flushall()
    monkeypatch.setenv("STREAMFLOW_ONLINE_STORE", "redis")
    monkeypatch.setenv("STREAMFLOW_REDIS", redis_server.url)
    return redis_server
