"""Requests with explain: the strongest reasons, within limits, and apart from requests without."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.base import EnricherError
from feature_enricher.prediction.batching import Batches
from feature_enricher.prediction.parts import REASONS_AT_FIRST, Parts
from feature_enricher.prediction.predictor import Item, Result
from feature_enricher.upstream.model_server import Prediction
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import (
    ANSWER,
    COMPLETE,
    USER,
    AllUsersKnown,
    FakeModel,
    FakeServer,
    FixedTarget,
    prediction,
    reasons,
    reply,
)
from tests.gateway.upstream.test_model_server import model_at, soon
from tests.waiting import wait_until

ROW = FeatureRow({"months_active": 70, "net_service": "No"}, {})


def added_up(explained: Any) -> float:
    return float(
        explained["base_value"]
        + explained["other_features"]
        + sum(part["contribution"] for part in explained["features"])
    )


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_answer_has_so_many_reasons_and_the_rest_of_the_score(client: FlaskClient, number: int) -> None:
    body = client.post("/predict", json={"user_id": USER, "explain": number}).get_json()
    explained = body.pop("reasons")
    assert body == client.post("/predict", json={"user_id": USER}).get_json()
    names = [part["feature"] for part in explained["features"]]
    assert names == ["months_active", "monthly_fee", "net_service"][:number]
    assert [part["value"] for part in explained["features"]] == [COMPLETE[name] for name in names]
    assert explained["scale"] == "log_odds"
    assert added_up(explained) == pytest.approx(explained["score"])


def test_overridden_values_are_explained(client: FlaskClient) -> None:
    request = {"user_id": USER, "features": {"months_active": 1}, "explain": 1}
    [reason] = client.post("/predict", json=request).get_json()["reasons"]["features"]
    assert (reason["feature"], reason["value"]) == ("months_active", 1)


def test_each_user_of_a_list_has_reasons_or_an_error(client: FlaskClient) -> None:
    body = client.post("/predict", json={"user_ids": [USER, "half-known", USER], "explain": 2}).get_json()
    first, second, third = body["results"]
    assert len(first["reasons"]["features"]) == 2
    assert second["code"] == "missing_features"
    assert third == first


@pytest.mark.parametrize("explain", [0, 0.0])
def test_zero_explains_nothing(client: FlaskClient, model: FakeModel, explain: float) -> None:
    assert "reasons" not in client.post("/predict", json={"user_id": USER, "explain": explain}).get_json()
    assert model.explained == []


INVALID = {
    -1: "explain must be a whole number from 0, not a number: -1",
    1.5: "explain must be a whole number, not a number: 1.5",
    True: "explain must be a whole number, not a boolean: true",
    "5": "explain must be a whole number, not a string: '5'",
    None: "explain must be a whole number, not null",
    4: "explain must be a whole number from 0 to 3, the features of churn_v1, not 4",
    2**63 - 1: f"explain must be a whole number from 0 to 3, the features of churn_v1, not {2**63 - 1}",
    1e300: "explain must be a whole number, not a number: 1e+300",
}


@pytest.mark.parametrize("explain", INVALID)
@pytest.mark.parametrize("user", [{"user_id": USER}, {"user_ids": [USER, USER]}])
def test_an_invalid_number_is_refused(client: FlaskClient, explain: object, user: dict[str, Any]) -> None:
    answer = client.post("/predict", json={**user, "explain": explain})
    assert (answer.status_code, answer.get_json()["error"]) == (422, INVALID[explain])
    assert answer.get_json()["fields"] == ["explain"]


def test_the_document_names_the_largest_number(client: FlaskClient) -> None:
    schemas = client.get("/docs/openapi.json").get_json()["components"]["schemas"]
    limits = [schemas[name]["properties"]["explain"] for name in ("OneUser", "ManyUsers")]
    assert [(limit["type"], limit["minimum"], limit["maximum"]) for limit in limits] == [("integer", 0, 3)] * 2


class WithoutReasons(FakeModel):
    def explain(self, rows: Sequence[FeatureRow], _features: int, deadline: Deadline) -> list[Prediction]:
        return self.predict(rows, deadline)


def test_a_version_that_cannot_explain_says_so() -> None:
    app = create_app(features=AllUsersKnown(), targets=FixedTarget(WithoutReasons()))
    answer = app.test_client().post("/predict", json={"user_id": USER, "explain": 1})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "no_reasons")
    assert answer.get_json()["fields"] == ["explain"]


def test_the_model_server_is_asked_for_reasons_and_gives_them(model_server: FakeServer) -> None:
    model_server.replies = [reply({"predictions": [ANSWER | {"reasons": reasons(ROW, 1)}]})]
    [answer] = model_at(model_server.url).explain([ROW], 1, soon())
    assert isinstance(answer, Prediction)
    assert answer.reasons == reasons(ROW, 1)
    assert b'"explain":1' in model_server.seen[0][1].replace(b" ", b"")


def test_an_older_version_gives_none(model_server: FakeServer) -> None:
    model_server.replies = [reply({"predictions": [ANSWER]})]
    assert model_at(model_server.url).explain([ROW], 1, soon()) == [prediction(ROW)]


BROKEN: dict[str, dict[str, Any]] = {
    "another score": {"score": 0.0},
    "no number": {"base_value": "1"},
    "not finite": {"other_features": None},
    "another scale": {"scale": "euros"},
    "an unknown feature": {"features": [{"feature": "x", "value": 1, "contribution": 0.5, "direction": "raises"}]},
    "no features": {"features": None},
}


@pytest.mark.parametrize("change", BROKEN)
def test_invalid_reasons_are_no_answer(change: str, model_server: FakeServer) -> None:
    model_server.replies = [reply({"predictions": [ANSWER | {"reasons": reasons(ROW, 1) | BROKEN[change]}]})]
    with pytest.raises(EnricherError, match="returned an invalid answer"):
        model_at(model_server.url).explain([ROW], 1, soon())


def test_requests_without_reasons_are_answered_first() -> None:
    calls: list[list[int]] = []
    answered: list[int] = []
    begun, may_go_on = threading.Event(), threading.Event()

    def predict(items: Sequence[Item], _deadline: Deadline) -> list[Result]:
        begun.set()
        may_go_on.wait(10)
        calls.append([item.explain for item in items])
        return [prediction(ROW) for _ in items]

    batches = Batches(predict, workers=1, largest_batch=10)

    def submit(explain: int) -> None:
        def predict_it() -> int:
            batches.predict([Item(USER, explain=explain)], Deadline.after(60))
            return explain

        batches.submit(predict_it, lambda result, _error: answered.append(result))

    submit(0)
    begun.wait(10)  # the next requests wait for this batch
    for explain in (2, 0, 3, 0):
        submit(explain)
    may_go_on.set()
    wait_until(lambda: len(answered) == 5)
    batches.close()
    assert calls == [[0], [0, 0], [2, 3]]
    assert answered == [0, 0, 0, 2, 3]


def test_a_slow_version_gets_fewer_users_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sizes = [0.0], list[int]()
    monkeypatch.setattr("feature_enricher.prediction.parts.time.monotonic", lambda: clock[0])

    def predict(items: Sequence[Item], _deadline: Deadline) -> list[Result]:
        sizes.append(len(items))
        clock[0] += 0.1 * len(items)
        return [prediction(ROW) for _ in items]

    parts = Parts(predict, 256)
    assert len(parts.predict([Item(USER, explain=1)] * 20, Deadline.after(60))) == 20
    assert sizes == [REASONS_AT_FIRST, 4, 2, 2, 2, 2]


def test_a_fast_version_gets_more_users_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feature_enricher.prediction.parts.time.monotonic", lambda: 0.0)
    sizes: list[int] = []

    def predict(items: Sequence[Item], _deadline: Deadline) -> list[Result]:
        sizes.append(len(items))
        return [prediction(ROW) for _ in items]

    parts = Parts(predict, 20)
    parts.predict([Item(USER, explain=1)] * 64, Deadline.after(1e9))
    parts.predict([Item(USER)] * 30, Deadline.after(1e9))
    assert sizes == [8, 16, 20, 20, 20, 10]
