"""Lookups: in time, one call of Feast per service, and one named error for faults of PostgreSQL."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from feature_enricher.errors.upstream import StoreCircuitOpen, StoreUnavailable
from feature_enricher.prediction.features import FeastFeatures
from feature_enricher.upstream.breaker import PAUSE_S
from feature_store.deadline import Deadline
from feature_store.plans import UnknownService
from feature_store.pool import OnlineReadError, OnlineReadRefused, OnlineReadTimeout
from feature_store.postgres.reader import PostgresReader
from feature_store.reading import FeatureRow, Plan
from tests.gateway.fakes import plan

TIMEOUT_S = 0.2
ROW = FeatureRow({"months_active": 1, "monthly_fee": 2.0, "net_service": "No"}, {})


class FakeReader(PostgresReader):
    """Returns or raises the outcomes in order; the last one repeats."""

    def __init__(self, *outcomes: FeatureRow | Exception) -> None:
        self.outcomes = list(outcomes)

    def read(self, *_arguments: Any) -> list[FeatureRow]:
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return [outcome]


def soon() -> Deadline:
    return Deadline.after(10)


def features(plan_of: Callable[[str], Plan] = plan, *outcomes: FeatureRow | Exception) -> FeastFeatures:
    return FeastFeatures(TIMEOUT_S, plan_of, FakeReader(*outcomes or [ROW]))


@pytest.mark.parametrize("error", [OnlineReadError("SELECT secrets"), OnlineReadRefused("x"), OnlineReadTimeout("x")])
def test_a_failed_read_is_a_named_error_and_the_next_one_may_succeed(error: Exception) -> None:
    store = features(plan, error, ROW)

    with pytest.raises(StoreUnavailable) as caught:
        store.lookup("churn_v1", ["a"], soon())

    assert caught.value.__cause__ is error
    assert "secrets" not in str(caught.value)
    assert store.lookup("churn_v1", ["a"], soon())[1] == [ROW]


def test_a_store_that_failed_twice_in_a_row_is_not_called_for_a_moment() -> None:
    store = features(plan, OnlineReadError("refused"), OnlineReadError("refused"), ROW)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.lookup("churn_v1", ["a"], soon())

    with pytest.raises(StoreCircuitOpen):
        store.lookup("churn_v1", ["a"], soon())

    time.sleep(PAUSE_S)
    assert store.lookup("churn_v1", ["a"], soon())[1] == [ROW]
    assert store.breaker.state == "closed"


def test_the_definition_is_read_once() -> None:
    read: list[str] = []
    store = features(lambda service: read.append(service) or plan(service))  # type: ignore[func-returns-value]

    for _ in range(3):
        store.lookup("churn_v1", ["a"], soon())
    store.lookup("churn_v2", ["a"], soon())

    assert read == ["churn_v1", "churn_v2"]


def test_the_definition_is_read_again_after_the_tables_changed() -> None:
    read: list[str] = []
    counted = lambda service: read.append(service) or plan(service)  # type: ignore[func-returns-value]  # noqa: E731
    store = features(counted, OnlineReadRefused("no such table"), ROW)
    with pytest.raises(StoreUnavailable):
        store.lookup("churn_v1", ["a"], soon())

    store.lookup("churn_v1", ["a"], soon())

    assert len(read) == 2


def test_a_failed_read_of_the_definition_is_repeated() -> None:
    outcomes = iter([OSError("refused"), None])

    def plan_of(service: str) -> Plan:
        error = next(outcomes)
        if error:
            raise error
        return plan(service)

    store = features(plan_of)
    with pytest.raises(StoreUnavailable):
        store.lookup("churn_v1", ["a"], soon())

    assert store.lookup("churn_v1", ["a"], soon())[1] == [ROW]


def test_a_service_unknown_to_feast_is_named_with_the_step_that_defines_it() -> None:
    def plan_of(service: str) -> Plan:
        raise UnknownService(f"Feast has no FeatureService {service}. Run: mlflow run . -e materialize")

    with pytest.raises(StoreUnavailable, match=r"no FeatureService churn_v9.*materialize"):
        features(plan_of).lookup("churn_v9", ["a"], soon())


def test_a_slow_definition_is_read_once_and_requests_fail_in_time() -> None:
    released, started = threading.Event(), []

    def plan_of(service: str) -> Plan:
        started.append(1)
        released.wait(10)
        return plan(service)

    store = features(plan_of)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match=r"in 0\.2 s"):
            store.plan("churn_v1", Deadline.after(TIMEOUT_S))
    assert time.monotonic() - began < 3 * TIMEOUT_S + 1
    released.set()

    assert store.lookup("churn_v1", ["a"], soon())[1] == [ROW]
    assert len(started) == 1
