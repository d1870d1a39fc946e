"""Every fault is answered with an error status and a JSON body with `error`, without internal details."""

import json
import logging

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.upstream import (
    ModelUnavailable,
    RolloutUnavailable,
    StoreUnavailable,
)
from feature_enricher.prediction.features import Features
from feature_enricher.upstream.model_server import ModelClient
from feature_enricher.upstream.targets import FixedModelServer, Targets
from tests.gateway.fakes import (
    USER,
    FailingFeatures,
    FailingModel,
    FakeFeatureList,
    FakeFeatures,
    FakeModel,
    FixedTarget,
)

INNER = 'SELECT * FROM "feast_online".x; File "/srv/app.py", line 1 password=x'
INTERNAL_WORDS = ("Traceback", "/", "SELECT", "File", "password", "psycopg", "Error:")


def caused(error: Exception) -> Exception:
    error.__cause__ = RuntimeError(INNER)
    return error


def gateway(
    features: Features | None = None, model: ModelClient | None = None, targets: Targets | None = None
) -> FlaskClient:
    app = create_app(
        features=features or FakeFeatures({USER: {"months_active": 1, "monthly_fee": 1.0, "net_service": "No"}}),
        targets=targets or FixedTarget(model or FakeModel()),
    )
    client: FlaskClient = app.test_client()
    return client


def fixed_model_server(source: FakeFeatureList) -> FixedModelServer:
    return FixedModelServer("http://model", FakeModel(), source)


FAULTS = {
    "store": (gateway(features=FailingFeatures(caused(StoreUnavailable("Store")))), 503),
    "model": (gateway(model=FailingModel(caused(ModelUnavailable("Model")))), 503),
    "feature list": (gateway(targets=fixed_model_server(FakeFeatureList(error=caused(ModelUnavailable("List"))))), 503),
    "watcher": (gateway(targets=FixedTarget(FakeModel(), error=RolloutUnavailable("Watcher"))), 503),
    "bug in features": (gateway(features=FailingFeatures(RuntimeError(INNER))), 500),
    "bug in model": (gateway(model=FailingModel(ValueError(INNER))), 500),
    "bug in feature list": (gateway(targets=fixed_model_server(FakeFeatureList(error=KeyError(INNER)))), 500),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_with_a_status_and_without_internal_details(fault: str) -> None:
    client, status = FAULTS[fault]

    answer = client.post("/predict", json={"user_id": USER})

    assert answer.status_code == status
    assert list(answer.get_json()) == ["type", "title", "status", "code", "detail", "error", "remedy", "request_id"]
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
    text = json.dumps(
        {name: value for name, value in answer.get_json().items() if name != "remedy"}
    )  # which is constant
    assert [leaked for leaked in INTERNAL_WORDS if leaked in text] == []


def test_a_bug_is_an_internal_error_with_its_traceback_only_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = gateway(model=FailingModel(ValueError(INNER))).post("/predict", json={"user_id": USER})

    assert (answer.get_json()["code"], answer.get_json()["error"]) == ("internal_error", "Internal error")
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


def test_ready_shows_each_check() -> None:
    answer = gateway(targets=fixed_model_server(FakeFeatureList())).get("/ready")

    assert answer.status_code == 200
    assert answer.json == {
        "status": "ready",
        "checks": {"live": "ok", "store": "ok", "model": "ok"},
        "serving": {"url": "http://model", "feature_service": "churn_v1"},
        "warnings": [],
        "problem": None,
        "note": None,
    }


def test_not_ready_names_the_failed_check() -> None:
    client = gateway(model=FailingModel(ModelUnavailable("The model server did not answer")))

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.get_json()["error"] == "Not ready: model"
    assert answer.get_json()["checks"] == {"live": "ok", "store": "ok", "model": "The model server did not answer"}


def test_without_a_feature_list_the_gateway_is_not_ready() -> None:
    answer = gateway(targets=fixed_model_server(FakeFeatureList(error=ModelUnavailable("No model server")))).get(
        "/ready"
    )

    assert answer.status_code == 503
    assert answer.get_json()["error"] == "Not ready: store, model, live"
    assert answer.get_json()["checks"]["live"] == "No model server"


def test_once_the_feature_list_is_known_it_is_not_asked_for_again() -> None:
    source = FakeFeatureList()
    client = gateway(targets=fixed_model_server(source))
    client.post("/predict", json={"user_id": USER})
    source.error = ModelUnavailable("No model server")

    assert client.post("/predict", json={"user_id": USER}).status_code == 200
    assert client.get("/ready").status_code == 200
