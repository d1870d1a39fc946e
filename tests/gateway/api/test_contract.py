"""The gateway's contract, endpoint by endpoint."""

import io
import json
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.requests import MissingFeatures
from tests.gateway.fakes import (
    JANUARY,
    LISTS,
    RUN_ID,
    USER,
    AllUsersKnown,
    FakeFeatures,
    FakeModel,
    FixedTarget,
    ServedFromARun,
)


def test_health_only_says_that_the_process_is_alive(client: FlaskClient) -> None:
    answer = client.get("/health")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_a_prediction_names_the_features_used_and_the_version_that_answered(client: FlaskClient) -> None:
    answer = client.post("/predict", json={"user_id": USER})

    assert answer.status_code == 200
    assert answer.json == {
        "user_id": USER,
        "prediction": 0,
        "probability": 0.1234,
        "threshold": 0.5,
        "calibration": "sigmoid",
        "features_used": {"months_active": 70, "monthly_fee": 98.7, "net_service": "Fiber optic"},
        "as_of": "2024-01-31",
        "feature_service": "churn_v1",
        "model": {"name": "streamflow_churn", "version": "3", "run_id": RUN_ID},
    }


def test_features_come_in_the_services_order(client: FlaskClient) -> None:
    answer = client.get(f"/features/{USER}")

    assert list(json.loads(answer.data)) == ["user_id", "features", "as_of"]
    assert list(json.loads(answer.data)["features"]) == list(LISTS["churn_v1"])


def test_an_unknown_user_is_not_found_and_lacks_every_feature(client: FlaskClient) -> None:
    answer = client.post("/predict", json={"user_id": "999999"})

    assert answer.status_code == 404
    assert answer.get_json()["error"] == "Missing features for user_id=999999"
    assert answer.get_json()["missing_features"] == ["months_active", "monthly_fee", "net_service"]


def test_a_user_who_lacks_features_gets_their_names(client: FlaskClient) -> None:
    answer = client.get("/features/half-known")

    assert answer.status_code == 422
    assert answer.get_json()["error"] == "Missing features for user_id=half-known"
    assert answer.get_json()["missing_features"] == ["monthly_fee"]


def test_an_error_is_a_problem_document_of_rfc_9457(client: FlaskClient) -> None:
    answer = client.get("/features/half-known", headers={"X-Request-ID": "mine-1"})

    assert answer.mimetype == "application/problem+json"
    assert answer.get_json() == {
        "type": "urn:streamflow:error:missing_features",
        "title": MissingFeatures.title,
        "status": 422,
        "code": "missing_features",
        "detail": "Missing features for user_id=half-known",
        "error": "Missing features for user_id=half-known",
        "remedy": MissingFeatures.remedy,
        "missing_features": ["monthly_fee"],
        "request_id": "mine-1",
    }


def test_a_valid_request_id_is_returned_and_an_invalid_one_replaced(client: FlaskClient) -> None:
    def returned(request_id: str) -> str:
        return client.get("/health", headers={"X-Request-ID": request_id}).headers["X-Request-ID"]

    assert returned("a1-B_2.c:d/e+f=") == "a1-B_2.c:d/e+f="
    new_ids = [returned(invalid) for invalid in ("", "x" * 129, "a b", '{"forged": 1}', "é", "\t")]
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in new_ids)
    assert len(set(new_ids)) == len(new_ids)


def test_views_of_different_days_are_listed_by_day(client: FlaskClient, features: FakeFeatures) -> None:
    features.event_times["usage"] = JANUARY + timedelta(days=1)

    answer = client.post("/predict", json={"user_id": USER})

    assert answer.get_json()["as_of"] == {"profile": "2024-01-31", "usage": "2024-02-01"}


def test_an_event_time_within_a_day_is_shown_in_full(client: FlaskClient, features: FakeFeatures) -> None:
    features.event_times = dict.fromkeys(features.event_times, JANUARY + timedelta(hours=6))

    answer = client.post("/predict", json={"user_id": USER})

    assert answer.get_json()["as_of"] == "2024-01-31T06:00:00+00:00"


def test_false_and_zero_are_values_and_not_missing() -> None:
    features = FakeFeatures({"u": {"months_active": 0, "monthly_fee": 0.0, "net_service": False}})
    client = create_app(features=features, targets=FixedTarget(FakeModel())).test_client()

    assert client.post("/predict", json={"user_id": "u"}).status_code == 200


@pytest.mark.parametrize("user_id", ["a/b", "/a", "a//b", "a b", "ü-😀", "a?b", "..x", "%", "a;b"])
def test_any_valid_user_id_is_looked_up_unchanged(client: FlaskClient, user_id: str) -> None:
    answer = client.get(f"/features/{quote(user_id, safe='')}")

    assert answer.get_json()["error"] == f"Missing features for user_id={user_id}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"user_id": NaN}', "not valid JSON"),
        (b"[" * 16000, "not valid JSON"),
        (b"1" * 5000, "not valid JSON"),
        (b"null", "JSON object"),
        (b"[]", "JSON object"),
        (b'"{\\"user_id\\": \\"4686-GEFRM\\"}"', "JSON object"),
        (b"{}", "user_id is missing"),
        (b'{"user_id": null}', "user_id must be a string, not null"),
        (b'{"user_id": 4686}', "user_id must be a string, not a number: 4686"),
        (b'{"user_id": 1.5}', "user_id must be a string, not a number: 1.5"),
        (b'{"user_id": true}', "user_id must be a string, not a boolean: true"),
        (b'{"user_id": []}', "user_id must be a string, not an array"),
        (b'{"user_id": {}}', "user_id must be a string, not an object"),
        (b'{"user_id": ""}', "user_id must not be empty"),
        (b'{"user_id": "a\\u0000"}', "user_id must not contain control characters"),
        (b'{"user_id": "a\\n"}', "user_id must not contain control characters"),
        (b'{"user_id": "\\ud800"}', "user_id must not contain control characters or broken text"),
        (b'{"user_id": "' + b"a" * 129 + b'"}', "user_id must not be longer than 128 characters; it has 129"),
        (b'{"user_id": "a", "as_of": "2024"}', "Unknown fields: as_of. Expected: user_id, user_ids, features"),
        (b'{"user_id": 1, "features": []}', "features must be an object, not an array; user_id must be a string"),
        (b"{" + b'"a": 1, ' * 99 + b'"b": 1, "b": 1}', "Repeated names: a, b"),
        (b"{%s}" % b",".join(b'"n%d": 1' % n for n in range(12)), "n8, n9 and 2 more. Expected: user_id"),
    ],
)
def test_an_invalid_body_is_refused_with_the_reason(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert message in answer.get_json()["error"]


def test_an_invalid_body_is_refused_with_its_fields(client: FlaskClient) -> None:
    assert client.post("/predict", json={"user_id": 1}).get_json()["fields"] == ["user_id"]
    assert client.post("/predict", json={"x": 1, "user_id": "a"}).get_json()["fields"] == ["x"]


@pytest.mark.parametrize("path", ["/features/a%00", "/features/%0A", "/features/" + "a" * 129])
def test_an_invalid_user_id_in_the_path_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.get_json()["fields"]) == (422, ["user_id"])


def test_a_body_too_large_is_refused(features: FakeFeatures, model: FakeModel) -> None:
    gateway = create_app({"MAX_BODY_BYTES": 20}, features=features, targets=FixedTarget(model))

    answer = gateway.test_client().post("/predict", json={"user_id": "a" * 20})

    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_a_body_too_large_without_a_length_is_refused(client: FlaskClient) -> None:
    endless = io.BytesIO(b'{"user_id": "' + b"a" * 300_000)

    answer = client.post(
        "/predict",
        input_stream=endless,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_a_body_that_is_not_json_is_refused(client: FlaskClient) -> None:
    answer = client.post("/predict", data={"user_id": USER})

    assert (answer.status_code, answer.get_json()["code"]) == (415, "not_json")


def test_a_wrong_method_is_refused_with_the_allowed_ones(client: FlaskClient) -> None:
    answer = client.get("/predict")

    assert (answer.status_code, answer.get_json()["code"]) == (405, "wrong_method")
    assert "POST" in answer.headers["Allow"]


def test_an_unknown_path_is_not_found(client: FlaskClient) -> None:
    answer = client.get("/nothing/here")

    assert (answer.status_code, answer.get_json()["code"]) == (404, "no_such_path")


def test_a_served_run_has_no_version_number() -> None:
    gateway = create_app(features=AllUsersKnown(), targets=FixedTarget(ServedFromARun()))

    answer = gateway.test_client().post("/predict", json={"user_id": USER})

    assert answer.get_json()["model"]["version"] is None
