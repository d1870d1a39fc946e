"""The gateway with Redis as online store: chosen by a setting, with named errors, and automatic recovery."""

import time

import pytest

from bench.testbed.redis_server import RedisServer
from feature_enricher.app import create_app
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.upstream import StoreUnavailable
from feature_enricher.prediction.features import FeastFeatures
from feature_enricher.upstream import breaker
from feature_store.deadline import Deadline
from local_stack.settings import Settings
from tests.conftest import JANUARY
from tests.redis_online import needs_redis, redis_online, redis_server

__all__ = ["redis_online", "redis_server"]


@needs_redis
def test_lookups_in_redis_fail_while_it_is_stopped_and_work_again_afterwards(
    january_loaded: Settings, redis_online: RedisServer
) -> None:
    from steps import materialize  # noqa: PLC0415 - mlflow and more

    materialize.main(["--as-of", str(JANUARY)])
    features = FeastFeatures(timeout_s=1.0)
    features.plan("churn_v1", Deadline.after(30))
    with redis_online.client() as client:
        [key] = [key for key in client.scan_iter(count=10_000) if b"/" in key][:1]
    user = key.split(b"streamflow/")[0][-10:].decode()

    _plan, [before] = features.lookup("churn_v1", [user], Deadline.after(5))
    assert None not in before.features.values()
    redis_online.stop()
    try:
        with pytest.raises(StoreUnavailable, match="The feature store did not answer"):
            features.lookup("churn_v1", [user], Deadline.after(5))
    finally:
        redis_online.start()
    with pytest.raises(StoreUnavailable):  # this Redis has no disk: all features are unknown, not missing
        features.lookup("churn_v1", [user], Deadline.after(5))
    materialize.main(["--as-of", str(JANUARY)])
    time.sleep(breaker.PAUSE_S)  # the circuit breaker may still be open
    assert features.lookup("churn_v1", [user], Deadline.after(5))[1] == [before]


def test_an_unknown_online_store_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_ONLINE_STORE", "memcached")
    with pytest.raises(InvalidSetting, match=r"STREAMFLOW_ONLINE_STORE='memcached'.*example"):
        create_app()
