"""Whatever breaks: a status that says so, a JSON body with `error`, and nothing of the inside in it."""

import json
import logging

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.upstream import (
    ModelUnavailable,
    NoServingVersion,
    RegistryUnavailable,
    RolloutUnavailable,
    StoreUnavailable,
)
from feature_enricher.prediction.features import Features
from feature_enricher.upstream.model_server import Model
from feature_enricher.upstream.targets import HandStarted, Targets
from tests.gateway.fakes import USER, FailingFeatures, FailingModel, FakeFeatures, FakeModel, FakeRegistry, FixedTarget

INNER = 'SELECT * FROM "feast_online".x; File "/srv/app.py", line 1 password=x'
INSIDE = ("Traceback", "/", "SELECT", "File", "password", "psycopg", "Error:")


def caused(error: Exception) -> Exception:
    error.__cause__ = RuntimeError(INNER)
    return error


def gateway(
    features: Features | None = None, model: Model | None = None, targets: Targets | None = None
) -> FlaskClient:
    app = create_app(
        features=features or FakeFeatures({USER: {"months_active": 1, "monthly_fee": 1.0, "net_service": "No"}}),
        targets=targets or FixedTarget(model or FakeModel()),
    )
    client: FlaskClient = app.test_client()
    return client


def hand_started(registry: FakeRegistry) -> HandStarted:
    return HandStarted("http://model", FakeModel(), registry)


FAULTS = {
    "store": (gateway(features=FailingFeatures(caused(StoreUnavailable("Store")))), 503),
    "model": (gateway(model=FailingModel(caused(ModelUnavailable("Model")))), 503),
    "registry": (gateway(targets=hand_started(FakeRegistry(error=caused(RegistryUnavailable("Registry"))))), 503),
    "watcher": (gateway(targets=FixedTarget(FakeModel(), error=RolloutUnavailable("Watcher"))), 503),
    "bug in features": (gateway(features=FailingFeatures(RuntimeError(INNER))), 500),
    "bug in model": (gateway(model=FailingModel(ValueError(INNER))), 500),
    "bug in registry": (gateway(targets=hand_started(FakeRegistry(error=KeyError(INNER)))), 500),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_with_a_status_and_nothing_of_the_inside(fault: str) -> None:
    client, status = FAULTS[fault]

    answer = client.post("/predict", json={"user_id": USER})

    assert answer.status_code == status
    assert list(answer.get_json()) == ["type", "title", "status", "code", "detail", "error", "remedy", "request_id"]
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
    said = json.dumps({name: value for name, value in answer.get_json().items() if name != "remedy"})  # which is fixed
    assert [word for word in INSIDE if word in said] == []


def test_a_bug_is_an_internal_error_with_the_trace_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    answer = gateway(model=FailingModel(ValueError(INNER))).post("/predict", json={"user_id": USER})

    assert (answer.get_json()["code"], answer.get_json()["error"]) == ("internal_error", "Internal error")
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


def test_a_missing_version_says_what_to_do() -> None:
    advice = "No version of streamflow_churn is in Production. Run: mlflow run . -e register"

    answer = gateway(targets=hand_started(FakeRegistry(error=NoServingVersion(advice)))).get(f"/features/{USER}")

    assert (answer.status_code, answer.get_json()["error"]) == (503, advice)


def test_ready_names_each_part() -> None:
    answer = gateway(targets=hand_started(FakeRegistry())).get("/ready")

    assert answer.status_code == 200
    assert answer.json == {
        "status": "ready",
        "checks": {"live": "ok", "store": "ok", "model": "ok"},
        "serving": {"url": "http://model", "feature_service": "churn_v1"},
        "warnings": [],
        "problem": None,
        "note": None,
    }


def test_not_ready_names_what_is_not() -> None:
    client = gateway(model=FailingModel(ModelUnavailable("The model server did not answer")))

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.get_json()["error"] == "Not ready: model"
    assert answer.get_json()["checks"] == {"live": "ok", "store": "ok", "model": "The model server did not answer"}


def test_not_ready_without_a_feature_list() -> None:
    answer = gateway(targets=hand_started(FakeRegistry(error=RegistryUnavailable("No registry")))).get("/ready")

    assert answer.status_code == 503
    assert answer.get_json()["error"] == "Not ready: store, model, live"
    assert answer.get_json()["checks"]["live"] == "No registry"


def test_a_dead_registry_does_not_hurt_once_the_feature_list_is_known() -> None:
    registry = FakeRegistry()
    client = gateway(targets=hand_started(registry))
    client.post("/predict", json={"user_id": USER})
    registry.error = RegistryUnavailable("No registry")

    assert client.post("/predict", json={"user_id": USER}).status_code == 200
    assert client.get("/ready").status_code == 200
