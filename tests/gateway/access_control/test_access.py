"""Hosts and keys in front of the application, path by path."""

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.upstream import StoreUnavailable
from tests.gateway.api.test_docs import chromium, needs_chromium, served
from tests.gateway.fakes import COMPLETE, USER, FailingFeatures, FakeFeatures, FakeModel, FixedTarget
from tests.gateway.test_operation import value

KEY = "a-key-of-letters-0123"
FOREIGN = "evil.example:8000"


def gateway(**config: object) -> FlaskClient:
    features = FakeFeatures({USER: COMPLETE})
    client: FlaskClient = create_app(config, features=features, targets=FixedTarget(FakeModel())).test_client()
    return client


@pytest.mark.parametrize(
    "path", ["/", "/docs/", "/docs/openapi.json", "/metrics", f"/features/{USER}", "/predict", "//metrics", "/no/such"]
)
def test_a_foreign_host_gets_a_problem_and_is_counted(path: str) -> None:
    client = gateway()

    answer = client.get(path, headers={"Host": FOREIGN})

    assert (answer.status_code, answer.mimetype) == (421, "application/problem+json")
    assert answer.get_json()["code"] == "foreign_host"
    assert "evil.example" in answer.get_json()["detail"]
    page = client.get("/metrics").text
    assert 'code="foreign_host"' in page
    assert value(page, 'gateway_client_requests_total{client="none",status="421"}') == 1


@needs_chromium
def test_a_page_of_another_site_reads_nothing_after_its_name_was_pointed_at_the_gateway() -> None:
    rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    with served(gateway().application) as address, chromium(rebound) as page:
        page.goto(f"http://evil.example:{address.rpartition(':')[2]}/health")
        read = page.evaluate("async () => { const a = await fetch('/metrics'); return [a.status, await a.text()]; }")

    assert read[0] == 421
    assert "gateway_requests_total" not in read[1]


def test_a_foreign_host_is_refused_with_a_valid_key_too() -> None:
    headers = {"Host": FOREIGN, "X-API-Key": KEY}
    assert gateway(API_KEYS=KEY).get("/metrics", headers=headers).status_code == 421


@pytest.mark.parametrize(
    "config", [{"ALLOWED_HOSTS": "*.example"}, {"ALLOWED_HOSTS": "*"}, {"GATEWAY_HOST": "evil.example"}]
)
def test_a_configured_host_is_served(config: dict[str, str]) -> None:
    assert gateway(**config).get(f"/features/{USER}", headers={"Host": FOREIGN}).status_code == 200


@pytest.mark.parametrize("host", [FOREIGN, "10.244.3.17:8000", "kube-probe", "localhost"])
@pytest.mark.parametrize("config", [{}, {"API_KEYS": KEY}])
def test_probes_are_answered_for_every_host_and_without_a_key(host: str, config: dict[str, str]) -> None:
    client = gateway(**config)

    assert client.get("/health", headers={"Host": host}).get_json() == {"status": "ok"}
    assert client.get("/ready", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("config", "headers", "has_details"),
    [
        ({}, {}, True),
        ({}, {"Host": FOREIGN}, False),
        ({"API_KEYS": KEY}, {}, False),
        ({"API_KEYS": KEY}, {"X-API-Key": KEY}, True),
        ({"API_KEYS": KEY}, {"X-API-Key": KEY, "Host": FOREIGN}, False),
    ],
)
def test_ready_names_servers_and_versions_only_to_clients_that_may_use_them(
    config: dict[str, str], headers: dict[str, str], has_details: bool
) -> None:
    answer = gateway(**config).get("/ready", headers=headers).get_json()

    assert ("serving" in answer) is has_details
    assert has_details or answer == {"status": "ready"}


def test_not_ready_without_details_still_names_the_failed_checks() -> None:
    failing = FailingFeatures(StoreUnavailable("the store at 10.0.0.9 is down"))
    client = create_app({"API_KEYS": KEY}, features=failing, targets=FixedTarget(FakeModel())).test_client()

    answer = client.get("/ready")

    assert (answer.status_code, answer.get_json()) == (503, {"status": "not ready", "error": "Not ready: store"})


def test_a_wrong_key_is_refused_at_ready_as_elsewhere() -> None:
    client = gateway(API_KEYS=KEY)

    assert client.get("/ready", headers={"X-API-Key": KEY[:-1]}).status_code == 401
    assert value(client.get("/metrics", headers={"X-API-Key": KEY}).text, "gateway_wrong_keys_total") == 1


def test_the_name_of_the_key_is_in_the_metrics_and_names_are_those_of_the_setting() -> None:
    client = gateway(API_KEYS=f"web:{KEY},{KEY}-2")
    for key in (KEY, KEY, f"{KEY}-2", "wrong", "", "none"):
        client.get(f"/features/{USER}", headers={"X-API-Key": key})

    page = client.get("/metrics", headers={"X-API-Key": KEY}).text

    assert value(page, 'gateway_client_requests_total{client="web",status="200"}') == 2
    assert value(page, 'gateway_client_requests_total{client="key-2",status="200"}') == 1
    assert value(page, 'gateway_client_requests_total{client="none",status="401"}') == 3
    assert value(page, "gateway_wrong_keys_total") == 2
    assert KEY not in page
