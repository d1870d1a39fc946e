"""Values older than their view's largest age are refused with their own code, or flagged, by a setting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.prediction.freshness import Freshness, FreshnessPoller
from feature_store.reading import FeatureRow
from tests.gateway.fakes import COMPLETE, FEBRUARY, JANUARY, USER, FakeFeatures, FakeModel, FixedTarget, plan
from tests.waiting import wait_until

PLAN = plan("churn_v1")


def gateway(features: FakeFeatures, **config: Any) -> FlaskClient:
    client: FlaskClient = create_app(config, features=features, targets=FixedTarget(FakeModel())).test_client()
    return client


class TwoMonths(FakeFeatures):
    """The user `new` has February's values, others January's, except for the profile."""

    def row(self, service: str, user_id: str) -> FeatureRow:
        times = {"profile": FEBRUARY, "usage": FEBRUARY if user_id == "new" else JANUARY}
        return FeatureRow(super().row(service, USER).features, times)


@pytest.fixture
def two_months() -> TwoMonths:
    return TwoMonths({USER: COMPLETE})


def test_stale_values_are_refused_and_named(two_months: TwoMonths) -> None:
    answer = gateway(two_months).post("/predict", json={"user_id": "old"})

    assert (answer.status_code, answer.get_json()["code"]) == (422, "stale_features")
    assert answer.get_json()["stale_features"] == ["monthly_fee", "net_service"]


def test_stale_values_are_flagged_if_the_setting_says_so(two_months: TwoMonths) -> None:
    client = gateway(two_months, STALE_POLICY="flag")

    answer = client.post("/predict", json={"user_id": "old"})

    assert (answer.status_code, answer.get_json()["stale_features"]) == (200, ["monthly_fee", "net_service"])
    assert answer.get_json()["as_of"] == {"profile": "2024-02-29", "usage": "2024-01-31"}
    assert client.get("/features/old").get_json()["stale_features"] == ["monthly_fee", "net_service"]
    assert "stale_features" not in client.post("/predict", json={"user_id": "new"}).get_json()


def test_an_overridden_value_is_not_stale(two_months: TwoMonths) -> None:
    overrides = {"monthly_fee": 1.0, "net_service": "No"}

    answer = gateway(two_months).post("/predict", json={"user_id": "old", "features": overrides})

    assert (answer.status_code, answer.get_json()["as_of"]) == (200, "2024-02-29")


def test_ages_count_from_the_newest_time_of_any_user() -> None:
    freshness = Freshness()
    assert freshness.stale(PLAN, {"usage": JANUARY}) == set()

    freshness.observe([None, FEBRUARY, JANUARY])

    assert freshness.stale(PLAN, {"usage": JANUARY, "profile": FEBRUARY}) == {"usage"}


def test_ages_can_be_counted_from_now() -> None:
    def stale(age: timedelta) -> set[str]:
        return Freshness("now").stale(PLAN, {"usage": datetime.now(UTC) - age})

    assert stale(timedelta(days=26)) == set()
    assert stale(timedelta(days=28)) == {"usage"}


def test_a_view_without_a_largest_age_is_never_stale() -> None:
    freshness = Freshness()
    freshness.observe([FEBRUARY])

    assert freshness.stale(PLAN, {"other": JANUARY}) == set()


def test_the_poller_queries_repeatedly_and_survives_a_failure() -> None:
    freshness = Freshness()
    outcomes: list[datetime | Exception] = [OSError("gone"), JANUARY, FEBRUARY]

    def newest() -> datetime:
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    poller = FreshnessPoller(freshness, newest, 0.01)
    poller.start()
    wait_until(lambda: freshness.stale(PLAN, {"usage": JANUARY}) == {"usage"})
    poller.close()


def test_after_the_newest_month_is_removed_the_previous_one_is_fresh() -> None:
    freshness = Freshness()
    freshness.observe([FEBRUARY])
    poller = FreshnessPoller(freshness, lambda: JANUARY, 0.01)
    poller.start()
    wait_until(lambda: freshness.stale(PLAN, {"usage": JANUARY}) == set())
    poller.close()
