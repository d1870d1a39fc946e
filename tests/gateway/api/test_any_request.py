"""Any request: never a server error, and always JSON, with `error` unless it is a 200."""

import json
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from feature_enricher.app import create_app
from tests.gateway.fakes import USER, AllUsersKnown, FakeFeatures, FakeModel, FixedTarget

NAMES = ["user_id", "user_ids", "features", "explain", "monthly_fee"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
    max_leaves=10,
)
BOUNDED = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
FEW = settings(BOUNDED, max_examples=40)


KEY = "a-key-of-letters-0123"


def gateway(features: FakeFeatures, **config: Any) -> Flask:
    app: Flask = create_app(config, features=features, targets=FixedTarget(FakeModel()))
    return app


def assert_is_answered(client: FlaskClient, data: bytes) -> None:
    answer = client.post("/predict", data=data, content_type="application/json")
    assert answer.status_code in (200, 404, 413, 422)
    assert answer.mimetype == ("application/json" if answer.status_code == 200 else "application/problem+json")
    assert answer.status_code == 200 or answer.get_json()["error"]


class TestAnyBody:
    client = gateway(FakeFeatures({USER: {}})).test_client()

    @BOUNDED
    @given(JSON)
    def test_any_json_is_answered(self, body: Any) -> None:
        assert_is_answered(self.client, json.dumps(body).encode())

    @BOUNDED
    @given(JSON)
    def test_any_user_id_is_answered(self, user_id: Any) -> None:
        assert_is_answered(self.client, json.dumps({"user_id": user_id}).encode())

    @BOUNDED
    @given(st.lists(st.just(USER) | JSON), st.dictionaries(st.sampled_from(NAMES), JSON))
    def test_any_list_with_any_features_is_answered(self, users: list[Any], overrides: dict[str, Any]) -> None:
        assert_is_answered(self.client, json.dumps({"user_ids": users, "features": overrides}).encode())

    @BOUNDED
    @given(st.binary(max_size=200))
    def test_any_bytes_are_answered(self, data: bytes) -> None:
        assert_is_answered(self.client, data)

    @BOUNDED
    @given(st.text(max_size=200))
    def test_any_path_is_answered(self, path: str) -> None:
        answer = self.client.get("/features/x" + path.replace("?", ""))

        assert answer.status_code in (404, 422)
        assert answer.get_json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/ready"), ("GET", "/features/{user_id}"), ("POST", "/predict")],
)
def test_the_openapi_document_matches_the_answers(method: str, path: str) -> None:
    document = schemathesis.openapi.from_wsgi("/docs/openapi.json", gateway(AllUsersKnown()))
    valid_and_invalid = [document[path][method].as_strategy(generation_mode=mode) for mode in GenerationMode]

    @FEW
    @given(st.one_of(*valid_and_invalid))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    check()


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("GET", "/ready")])
@pytest.mark.parametrize("headers", [{"X-API-Key": KEY}, {}])
def test_the_openapi_document_is_right_about_keys(method: str, path: str, headers: dict[str, str]) -> None:
    document = schemathesis.openapi.from_wsgi("/docs/openapi.json", gateway(AllUsersKnown(), API_KEYS=KEY))

    @FEW
    @given(document[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers)  # schemathesis also tries without it and with another

    check()
