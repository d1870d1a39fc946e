"""Look-ups through Feast: within their time, and with a new store after any failure."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import feature_repo
from feature_enricher.errors import StoreUnavailable
from feature_enricher.features import FeastFeatures

NAMES = ["months_active", "monthly_fee"]
TIMEOUT_S = 0.2


class FakeConnections:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close_connections(self) -> None:
        self.closed.set()

    def dispose(self) -> None:
        pass


class FakeStore:
    """Has the attributes of a FeatureStore that the gateway uses."""

    def __init__(self, read: Callable[[], dict[str, list[Any]]]) -> None:
        self._read = read
        self.registry = self.provider = self
        self.write_engine = self.online_store = FakeConnections()
        self.asked: list[dict[str, str]] = []

    def get_feature_service(self, name: str, *, allow_cache: bool) -> str:  # noqa: ARG002
        return name

    def get_online_features(self, features: str, entity_rows: list[dict[str, str]]) -> "FakeStore":  # noqa: ARG002
        self.asked = entity_rows
        return self

    def to_dict(self) -> dict[str, list[Any]]:
        return self._read()


class Stores:
    """Opens the given stores one after the other."""

    def __init__(self, *stores: FakeStore | Exception) -> None:
        self._next: Iterator[FakeStore | Exception] = iter(stores)

    def __call__(self) -> Any:
        store = next(self._next)
        if isinstance(store, Exception):
            raise store
        return store


def fail() -> dict[str, list[Any]]:
    raise RuntimeError("server closed the connection unexpectedly")


def rows(*values: tuple[Any, Any]) -> Callable[[], dict[str, list[Any]]]:
    return lambda: {name: [value[i] for value in values] for i, name in enumerate(NAMES)}


@pytest.fixture(autouse=True)
def a_service_of_two_features(monkeypatch: pytest.MonkeyPatch) -> None:
    # the real one asks a real FeatureService; tests of feature_repo hold it to that
    monkeypatch.setattr(feature_repo, "feature_types", lambda _store, _service: dict.fromkeys(NAMES, "Float64"))


def features_from(*stores: FakeStore | Exception) -> FeastFeatures:
    return FeastFeatures(TIMEOUT_S, 2, Stores(*stores))


def test_a_row_has_the_services_features_in_its_order_and_as_they_are() -> None:
    store = FakeStore(lambda: {"monthly_fee": [1.5, None], "user_id": ["a", "b"], "months_active": [0, 2]})

    found = features_from(store).lookup("churn_v1", ["a", "b"])

    assert [list(row.items()) for row in found] == [
        [("months_active", 0), ("monthly_fee", 1.5)],
        [("months_active", 2), ("monthly_fee", None)],
    ]
    assert store.asked == [{"user_id": "a"}, {"user_id": "b"}]


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_what_is_no_value_counts_as_missing(nothing: float | None) -> None:
    assert features_from(FakeStore(rows((1, nothing)))).lookup("churn_v1", ["a"])[0]["monthly_fee"] is None


def test_a_failure_is_an_error_with_its_cause_and_the_next_lookup_opens_a_new_store() -> None:
    broken = FakeStore(fail)
    features = features_from(broken, FakeStore(rows((1, 2.0))))

    with pytest.raises(StoreUnavailable) as caught:
        features.lookup("churn_v1", ["a"])

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert broken.online_store.closed.wait(5)
    assert features.lookup("churn_v1", ["a"]) == [{"months_active": 1, "monthly_fee": 2.0}]


def test_a_store_that_could_not_be_opened_is_opened_again() -> None:
    features = features_from(OSError("refused"), FakeStore(rows((1, 2.0))))

    with pytest.raises(StoreUnavailable):
        features.lookup("churn_v1", ["a"])

    assert features.lookup("churn_v1", ["a"])


def test_a_failed_opening_of_long_ago_is_not_held_against_a_request() -> None:
    failed = threading.Event()
    stores = Stores(FakeStore(rows((1, 2.0))))

    def open_store() -> Any:
        if not failed.is_set():
            failed.set()
            raise OSError("refused")
        return stores()

    features = FeastFeatures(TIMEOUT_S, 2, open_store)
    features.open_soon()
    assert failed.wait(5)
    time.sleep(0.05)

    assert features.lookup("churn_v1", ["a"])


def test_a_frozen_store_is_given_up_in_time_and_left_behind() -> None:
    thaw = threading.Event()

    def freeze() -> dict[str, list[Any]]:
        thaw.wait(10)
        return rows((9, 9.0))()

    features = features_from(FakeStore(freeze), FakeStore(rows((1, 2.0))))
    began = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable, match=r"in 0\.2 s"):
            features.lookup("churn_v1", ["a"])

        assert time.monotonic() - began < 2 * TIMEOUT_S
        assert features.lookup("churn_v1", ["a"]) == [{"months_active": 1, "monthly_fee": 2.0}]
    finally:
        thaw.set()


def test_requests_do_not_wait_for_a_slow_opening_and_do_not_begin_another() -> None:
    opened, begun = threading.Event(), []

    def open_store() -> Any:
        begun.append(1)
        opened.wait(10)
        return FakeStore(rows((1, 2.0)))

    features = FeastFeatures(TIMEOUT_S, 2, open_store)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            features.lookup("churn_v1", ["a"])
    opened.set()

    assert features.lookup("churn_v1", ["a"])
    assert len(begun) == 1


def test_concurrent_first_lookups_share_one_store() -> None:
    features = features_from(FakeStore(rows((1, 2.0))))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.extend(features.lookup("churn_v1", ["a"]))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
