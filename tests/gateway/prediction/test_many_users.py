"""Many users in one request, and overrides."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from feature_enricher.app import create_app
from feature_enricher.errors.requests import InvalidRequest
from feature_enricher.errors.upstream import StoreUnavailable
from feature_enricher.prediction import values
from tests.gateway.fakes import COMPLETE, USER, AllUsersKnown, FailingFeatures, FakeModel, FixedTarget, plan


def predict(client: FlaskClient, **body: Any) -> TestResponse:
    # by Python's json: orjson refuses integers beyond 64 bits
    answer: TestResponse = client.post("/predict", data=json.dumps(body), content_type="application/json")
    return answer


def test_each_user_gets_a_prediction_or_an_error_in_order(client: FlaskClient) -> None:
    answer = predict(client, user_ids=["nobody", USER, "half-known", USER])

    assert answer.status_code == 200
    nobody, complete, incomplete, repeated = answer.get_json()["results"]
    assert (nobody["user_id"], nobody["status"], nobody["code"]) == ("nobody", 404, "unknown_user")
    assert nobody["error"] == "Missing features for user_id=nobody"
    assert complete == repeated == predict(client, user_id=USER).get_json()
    assert (incomplete["status"], incomplete["missing_features"]) == (422, ["monthly_fee"])


def test_a_list_above_the_limit_is_refused() -> None:
    client = create_app({"MAX_USERS": 3}, features=AllUsersKnown(), targets=FixedTarget(FakeModel())).test_client()

    assert len(predict(client, user_ids=["a", "b", "c"]).get_json()["results"]) == 3
    refused = predict(client, user_ids=["a", "b", "c", "d"])
    assert (refused.status_code, refused.get_json()["code"]) == (413, "too_many_users")
    assert "3" in refused.get_json()["detail"]


def test_a_thousand_users_are_answered_in_order() -> None:
    client = create_app(features=AllUsersKnown(), targets=FixedTarget(FakeModel())).test_client()
    users = [f"user {number}" for number in range(1000)]

    results = predict(client, user_ids=users).get_json()["results"]

    assert [result["user_id"] for result in results] == users


def test_an_error_of_all_users_is_the_answers_status() -> None:
    failing = FailingFeatures(StoreUnavailable("The feature store did not answer"))
    client = create_app(features=failing, targets=FixedTarget(FakeModel())).test_client()

    answer = predict(client, user_ids=["a", "b"])

    assert (answer.status_code, answer.get_json()["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user_ids": []}, "user_ids"),
        ({"user_ids": "a"}, "user_ids"),
        ({"user_ids": None}, "user_ids"),
        ({"user_ids": ["a", 1]}, "user_ids[1]"),
        ({"user_ids": ["a", ""]}, "user_ids[1]"),
        ({"user_ids": ["a\x00"]}, "user_ids[0]"),
        ({"user_ids": ["a" * 129]}, "user_ids[0]"),
        ({"user_ids": [["a"]]}, "user_ids[0]"),
        ({"user_ids": ["a"], "user_id": "a"}, "user_id"),
        ({"user_id": "a", "features": []}, "features"),
        ({"user_id": "a", "features": "x"}, "features"),
    ],
)
def test_an_invalid_list_is_refused_with_its_field(client: FlaskClient, body: Any, field: str) -> None:
    answer = client.post("/predict", json=body)

    assert (answer.status_code, answer.get_json()["fields"][0]) == (422, field)


@pytest.mark.parametrize(
    ("body", "repeated"),
    [
        (b'{"user_id": "a", "user_id": "b"}', ["user_id"]),
        (b'{"user_id": "a", "features": {"x": 1, "x": 1}}', ["x"]),
        (b'{"user_id": "a", "user\\u005fid": "b"}', ["user_id"]),
    ],
)
def test_a_repeated_name_is_refused(client: FlaskClient, body: bytes, repeated: list[str]) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")

    assert (answer.status_code, answer.get_json()["fields"]) == (422, repeated)


def test_overrides_replace_stored_values_and_the_answer_names_them(client: FlaskClient, model: FakeModel) -> None:
    answer = predict(client, user_id=USER, features={"monthly_fee": 50}).get_json()

    assert answer["features_used"] == {"months_active": 70, "monthly_fee": 50.0, "net_service": "Fiber optic"}
    assert answer["overridden"] == ["monthly_fee"]
    assert list(model.rows[-1]) == ["months_active", "monthly_fee", "net_service"]
    assert repr(model.rows[-1]["monthly_fee"]) == "50.0"
    assert "overridden" not in predict(client, user_id=USER).get_json()


def test_a_whole_number_may_be_written_with_a_point(client: FlaskClient) -> None:
    answer = predict(client, user_id=USER, features={"months_active": 70.0})

    assert repr(answer.get_json()["features_used"]["months_active"]) == "70"


def test_an_override_can_replace_a_missing_feature(client: FlaskClient) -> None:
    answer = predict(client, user_id="half-known", features={"monthly_fee": 1.5})

    assert answer.status_code == 200
    assert answer.get_json()["as_of"] == "2024-01-31"


def test_an_unknown_user_with_all_features_overridden_has_no_as_of(client: FlaskClient) -> None:
    everything = {name: COMPLETE[name] for name in ("months_active", "monthly_fee", "net_service")}

    answer = predict(client, user_id="nobody", features=everything)

    assert (answer.status_code, answer.get_json()["as_of"]) == (200, None)


def test_a_refused_value_is_named_with_its_type_and_the_allowed_one(client: FlaskClient) -> None:
    def refusal(**features: Any) -> str:
        return str(predict(client, user_id=USER, features=features).get_json()["detail"])

    assert refusal(months_active="x") == (
        "features.months_active must be a whole number within 64 bits, not a string: 'x'"
    )
    assert refusal(monthly_fee=None, months_active=1.5) == (
        "features.months_active must be a whole number within 64 bits, not a number: 1.5; "
        "features.monthly_fee must be a finite number in double precision, not null"
    )
    assert refusal(shoe_size=43) == (
        "Not features of churn_v1: shoe_size. Expected: months_active, monthly_fee, net_service"
    )


@pytest.mark.parametrize(
    ("overrides", "fields"),
    [
        ({"shoe_size": 43, "monthly_fee": 1}, ["features.shoe_size"]),
        ({"months_active": 1.5}, ["features.months_active"]),
        ({"months_active": True}, ["features.months_active"]),
        ({"months_active": 2**63}, ["features.months_active"]),
        ({"months_active": 2.0**63}, ["features.months_active"]),
        ({"months_active": 10**400}, ["features.months_active"]),
        ({"months_active": None}, ["features.months_active"]),
        ({"monthly_fee": "98"}, ["features.monthly_fee"]),
        ({"monthly_fee": False}, ["features.monthly_fee"]),
        ({"monthly_fee": 10**400}, ["features.monthly_fee"]),
        ({"net_service": 1}, ["features.net_service"]),
        ({"net_service": "a\x00"}, ["features.net_service"]),
        ({"net_service": ["DSL"]}, ["features.net_service"]),
    ],
)
def test_a_value_of_another_type_is_refused(client: FlaskClient, overrides: dict[str, Any], fields: list[str]) -> None:
    for users in ({"user_id": USER}, {"user_ids": [USER, USER]}):
        answer = predict(client, **users, features=overrides)

        assert (answer.status_code, answer.get_json()["fields"]) == (422, fields)


def test_a_number_above_the_largest_float_is_refused(client: FlaskClient) -> None:
    body = b'{"user_id": "u", "features": {"monthly_fee": 1e999}}'

    assert client.post("/predict", data=body, content_type="application/json").status_code == 422


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["months_active", "monthly_fee", "net_service", "x"]), VALUES))
def test_any_override_gets_the_models_type_or_is_refused(features: dict[str, Any]) -> None:
    try:
        checked = values.checked(plan("churn_v1"), features)
    except InvalidRequest:
        return
    types = {"months_active": int, "monthly_fee": float, "net_service": str}
    assert {name: type(value) for name, value in checked.items()} == {name: types[name] for name in features}
    json.dumps(checked, allow_nan=False)


@given(fee=st.floats(allow_nan=False, allow_infinity=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_number_is_returned_bit_for_bit(client: FlaskClient, fee: float) -> None:
    used = json.loads(predict(client, user_id=USER, features={"monthly_fee": fee}).data)["features_used"]
    assert used["monthly_fee"].hex() == fee.hex()
