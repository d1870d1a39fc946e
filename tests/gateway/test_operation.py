"""Operation: keys, metrics, the access log."""

import json
import logging
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from feature_enricher.api.access_log import set_level
from feature_enricher.api.auth import check_binding
from feature_enricher.app import create_app
from feature_enricher.errors.base import InvalidSetting
from feature_enricher.errors.upstream import ModelUnavailable
from feature_enricher.metrics import Metrics
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient, Prediction
from feature_enricher.upstream.targets import FixedModelServer
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from local_stack.settings import ROOT
from tests.gateway.fakes import (
    COMPLETE,
    USER,
    FailingModel,
    FakeFeatureList,
    FakeFeatures,
    FakeModel,
    FakeServer,
    FixedTarget,
    reply,
)
from tests.waiting import wait_until

OLD, NEW = "the-old-key-0123456789", "the-new-key-0123456789"


def gateway(model: Any = None, **config: Any) -> FlaskClient:
    features = FakeFeatures({USER: COMPLETE})
    client: FlaskClient = create_app(config, features=features, targets=FixedTarget(model or FakeModel())).test_client()
    return client


@pytest.mark.parametrize("key", [OLD, NEW])
@pytest.mark.parametrize(
    ("header", "scheme"), [("X-API-Key", ""), ("Authorization", "Bearer "), ("Authorization", "bearer ")]
)
def test_each_key_is_accepted_on_every_path(key: str, header: str, scheme: str) -> None:
    client = gateway(API_KEYS=f"{OLD},{NEW}")
    headers = {header: f"{scheme}{key}"}

    assert client.post("/predict", json={"user_id": USER}, headers=headers).status_code == 200
    assert client.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": "wrong"}, {"X-API-Key": OLD[:-1]}, {"Authorization": f"Basic {OLD}"}, {"X-API-Key": "é"}],
)
@pytest.mark.parametrize("path", ["/metrics", f"/features/{USER}", "/no/such/path"])
def test_without_a_valid_key_every_path_except_probes_and_docs_is_refused(path: str, headers: dict[str, str]) -> None:
    client = gateway(API_KEYS=OLD)

    answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/health").status_code == 200
    assert client.get("/docs/openapi.json").status_code == 200


def test_without_configured_keys_every_path_is_open() -> None:
    assert gateway().get("/ready").status_code == 200


@pytest.mark.parametrize("keys", ["short", f"{OLD},short", 1234567890123456789, "ключ-из-многих-букв"])
def test_an_invalid_configured_key_is_refused_and_not_shown(keys: object) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gateway(API_KEYS=keys)

    assert str(keys) not in str(caught.value)


def test_an_address_that_others_reach_needs_keys_or_a_setting() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        check_binding(host, (), allow_open=False)
    check_binding("0.0.0.0", (("web", OLD),), allow_open=False)  # noqa: S104
    check_binding("0.0.0.0", (), allow_open=True)  # noqa: S104
    with pytest.raises(InvalidSetting, match=r"'0.0.0.0' \(GATEWAY_PUBLISHED_AT.*, or ENRICHER_ALLOW_OPEN=true"):
        check_binding("0.0.0.0", (), allow_open=False)  # noqa: S104


def value(page: str, line: str) -> float:
    [number] = re.findall(rf"^{re.escape(line)} (\S+)$", page, re.MULTILINE)
    return float(number)


def test_metrics_count_outcomes_parts_batches_ages_and_breakers() -> None:
    client = gateway()
    client.post("/predict", json={"user_ids": [USER, "nobody"]})
    client.post("/predict", json={"user_id": "nobody"})

    page = client.get("/metrics").text

    assert value(page, 'gateway_requests_total{code="ok",route="/predict",status="200"}') == 1
    assert value(page, 'gateway_requests_total{code="unknown_user",route="/predict",status="404"}') == 1
    assert value(page, 'gateway_results_total{code="unknown_user"}') == 2
    assert value(page, "gateway_batch_users_sum") == 3
    for part in ("lookup", "model"):
        assert value(page, f'gateway_part_seconds_count{{part="{part}"}}') == 2
    assert value(page, 'gateway_feature_age_seconds{view="usage"}') > 0
    assert value(page, 'gateway_breaker_state{part="store",state="closed"}') == 1


def labels(page: str) -> dict[str, set[str]]:
    """Metric -> the labels of its series, except a histogram's `le`."""
    names: dict[str, set[str]] = {}
    for sample in (sample for family in text_string_to_metric_families(page) for sample in family.samples):
        metric = re.sub("_(bucket|count|sum)$", "", sample.name)
        names.setdefault(metric, set()).update(sample.labels.keys() - {"le"})
    return names


def test_the_documentation_names_every_metric_with_its_labels(client: FlaskClient) -> None:
    client.post("/predict", json={"user_id": USER})
    page = (ROOT / "docs" / "gateway.md").read_text()
    documented = re.findall(r"`(gateway_\w+)(?:\{([\w,]+)\})?`", page)

    exported = {
        name: names for name, names in labels(client.get("/metrics").text).items() if name.startswith("gateway_")
    }

    assert exported == {name: set(filter(None, names.split(","))) for name, names in documented}


def test_values_of_the_process_are_those_of_the_last_sample() -> None:
    metrics = Metrics()

    def open_files() -> float:
        return value(metrics.page().decode(), "process_open_fds")

    metrics.sample_process()
    before = open_files()
    with Path(__file__).open():
        unsampled = open_files()
        metrics.sample_process()
        sampled = open_files()

    assert (unsampled - before, sampled - before) == (0, 1)


def test_metrics_show_the_process_and_no_created_series() -> None:
    page = gateway().get("/metrics").text

    assert value(page, "process_resident_memory_bytes") > 0
    assert value(page, "process_open_fds") > 0
    assert "_created" not in page


def test_metrics_show_requests_in_flight_and_in_the_queue() -> None:
    class Slow(FakeModel):
        def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[Prediction]:
            begun.set()
            assert answered.wait(10)
            return super().predict(rows, deadline)

    begun, answered = threading.Event(), threading.Event()
    client = gateway(Slow(), CONCURRENT_BATCHES=1)
    application = client.application
    batches, statuses = application.extensions["streamflow"].batches, []

    def predict() -> int:
        return application.test_client().post("/predict", json={"user_ids": [USER, USER]}).status_code

    batches.submit(predict, lambda status, _error: statuses.append(status))
    assert begun.wait(10)
    batches.submit(predict, lambda status, _error: statuses.append(status))
    page = client.get("/metrics").text
    answered.set()

    assert value(page, "gateway_queue_requests") == 1
    assert value(page, "gateway_requests_in_flight") == 2  # the request for the metrics is one of them
    wait_until(lambda: len(statuses) == 2)
    assert statuses == [200, 200]
    assert value(client.get("/metrics").text, 'gateway_part_seconds_count{part="queue"}') == 2
    assert value(client.get("/metrics").text, "gateway_requests_in_flight") == 1
    assert value(client.get("/metrics").text, "gateway_queue_requests") == 0


def test_metrics_show_the_model_breakers_state_and_the_live_version(model_server: FakeServer) -> None:
    model_server.replies = [reply(b"", 500)]
    targets = FixedModelServer(
        model_server.url, ModelServerClient(Upstream(model_server.url, 5.0, 1)), FakeFeatureList()
    )
    client = create_app(features=FakeFeatures({USER: COMPLETE}), targets=targets).test_client()
    state = 'gateway_breaker_state{part="model",state="%s"}'
    client.post("/predict", json={"user_id": USER})
    assert value(client.get("/metrics").text, state % "closed") == 1

    client.post("/predict", json={"user_id": USER})

    page = client.get("/metrics").text
    assert value(page, state % "closed") == 0
    assert value(page, state % "open") + value(page, state % "half_open") == 1
    assert value(page, 'gateway_served_version{feature_service="churn_v1",model="",run_id="",version=""}') == 1


def test_metrics_do_not_wait_for_a_model_server_that_hangs(model_server: FakeServer) -> None:
    model_server.replies = [lambda handler, _body: handler.server.closing.wait()]  # type: ignore[attr-defined]
    config = {"MODEL_URL": model_server.url, "MODEL_TIMEOUT_S": 10}
    client = create_app(config, features=FakeFeatures({})).test_client()
    began = time.monotonic()

    assert client.get("/metrics").status_code == 200
    assert client.get("/docs/openapi.json").status_code == 200
    assert time.monotonic() - began < 3


def test_no_failed_request_is_counted_as_ok() -> None:
    client = gateway(FailingModel(ModelUnavailable("down")))
    responses = [client.get(path) for path in ("/ready", "/features/nobody", "/predict", "/no/such/path", "/docs/x")]
    responses += [client.post("/predict", data=b"{"), client.post("/predict", json={"user_id": USER}), client.put("/")]

    page = client.get("/metrics").text

    assert [answer.status_code for answer in responses if answer.status_code < 400] == []
    assert value(page, 'gateway_requests_total{code="not_ready",route="/ready",status="503"}') == 1
    assert re.findall(r'gateway_requests_total{code="ok",.*status="[45].*', page) == []


def test_unknown_paths_share_one_series() -> None:
    client = gateway()
    for number in range(3):
        client.get(f"/x{number}")

    assert (
        value(client.get("/metrics").text, 'gateway_requests_total{code="no_such_path",route="none",status="404"}') == 3
    )


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "feature_enricher.access"]


def test_each_request_is_logged_as_one_line_without_feature_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "feature_enricher.access")

    gateway().post(
        "/predict", json={"user_id": USER, "features": {"monthly_fee": 4711.0}}, headers={"X-Request-ID": "r1"}
    )

    [line] = lines(caplog)
    assert line.pop("ms") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("at"))
    assert line == {"request_id": "r1", "method": "POST", "path": "/predict", "status": 200, "code": "ok"}


def test_a_failed_request_is_logged_as_one_line_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "feature_enricher.access")
    broken = ModelUnavailable("The model server did not answer")
    broken.__cause__ = RuntimeError("connection\nrefused")

    gateway(FailingModel(broken)).post("/predict", json={"user_id": USER})

    [line] = lines(caplog)
    assert (line["status"], line["code"]) == (503, "model_unavailable")
    assert line["cause"] == "ModelUnavailable: The model server did not answer <- RuntimeError: connection refused"


def test_an_invalid_request_is_logged_without_its_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "feature_enricher.access")

    answer = gateway().post("/predict", json={"user_id": USER, "features": {"monthly_fee": "4711"}})

    [line] = lines(caplog)
    assert "4711" in answer.get_json()["error"]
    assert (line["status"], line["code"]) == (422, "invalid_request")
    assert "4711" not in json.dumps(line)


def test_the_access_log_can_be_limited_to_errors_or_turned_off(caplog: pytest.LogCaptureFixture) -> None:
    set_level("errors")
    client = gateway(FailingModel(ModelUnavailable("x")))
    client.get("/health")
    client.post("/predict", json={"user_id": USER})
    set_level("off")
    client.post("/predict", json={"user_id": USER})
    set_level("all")

    assert [line["status"] for line in lines(caplog)] == [503]
