"""/docs works without the internet, and the OpenAPI document is complete."""

import re
import shutil
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from feature_enricher.app import create_app
from local_stack.settings import ROOT
from tests.gateway.fakes import USER, AllUsersKnown, FakeModel, FixedTarget

KEY = "a-key-of-letters-0123"
PREFIX = "/churn"
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
ENDPOINTS = {"/health", "/ready", "/features/{user_id}", "/predict"}


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_shows_the_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path, follow_redirects=True)

    assert answer.status_code == 200
    assert "swagger-ui" in answer.text


def test_the_page_only_loads_files_of_the_gateway(client: FlaskClient) -> None:
    page = client.get("/docs", follow_redirects=True)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert len(loaded) >= 4
    assert [link for link in loaded if urlsplit(link).netloc] == []
    base, statuses = page.request.path, {}
    for link in loaded:
        with client.get(urljoin(base, link)) as answer:  # a file, closed at the end of the block
            statuses[link] = answer.status_code
    assert statuses == dict.fromkeys(loaded, 200)


def test_the_page_may_not_call_another_host(client: FlaskClient) -> None:
    page = client.get("/docs", follow_redirects=True)

    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "validatorUrl" in page.text


def test_every_endpoint_is_documented_with_its_answers(client: FlaskClient) -> None:
    paths = client.get("/docs/openapi.json").get_json()["paths"]

    answers = {path: set(next(iter(operations.values()))["responses"]) for path, operations in paths.items()}
    assert answers == {
        "/health": {"200", "500"},
        "/ready": {"200", "500", "503"},
        "/features/{user_id}": {"200", "404", "421", "422", "500", "503"},
        "/predict": {"200", "404", "409", "413", "415", "421", "422", "500", "503"},
    }


def test_the_document_names_the_projects_version(client: FlaskClient) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert client.get("/docs/openapi.json").get_json()["info"]["version"] == project["version"]


def test_overrides_are_documented_for_the_features_of_the_live_version(client: FlaskClient) -> None:
    document = client.get("/docs/openapi.json").get_json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    forms = [form["$ref"].removeprefix("#/components/schemas/") for form in body["oneOf"]]
    assert forms == ["OneUser", "ManyUsers"]
    for form in forms:
        features = document["components"]["schemas"][form]["properties"]["features"]
        assert list(features["properties"]) == ["months_active", "monthly_fee", "net_service"]
        assert features["additionalProperties"] is False
        whole = features["properties"]["months_active"]
        assert (whole["type"], whole["minimum"], whole["maximum"]) == ("integer", -(2**63), 2**63 - 1)


def test_the_documented_example_works(client: FlaskClient) -> None:
    operation = client.get("/docs/openapi.json").get_json()["paths"]["/predict"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["schema"]["example"]

    assert example == {"user_id": USER}
    assert client.post("/predict", json=example).status_code == 200


def test_the_examples_name_the_features_of_the_live_version(client: FlaskClient) -> None:
    schemas = client.get("/docs/openapi.json").get_json()["components"]["schemas"]

    example = {"months_active": 12, "monthly_fee": 98.7, "net_service": "a text"}
    assert schemas["UserFeatures"]["example"]["features"] == example
    assert schemas["PredictionAnswer"]["example"]["features_used"] == example
    assert schemas["FeaturesMissing"]["example"]["missing_features"] == ["months_active", "monthly_fee"]


def test_the_list_of_features_is_not_repeated_in_the_gateway() -> None:
    names = set(re.findall(r'Field\(name="(\w+)"', (ROOT / "feature_repo" / "features.py").read_text()))
    sources = {path.name: path.read_text() for path in (ROOT / "feature_enricher").rglob("*.py")}

    assert len(names) >= 14
    assert {name for name, text in sources.items() if any(feature in text for feature in names)} == set()


def gateway(**config: Any) -> Flask:
    app: Flask = create_app(config, features=AllUsersKnown(), targets=FixedTarget(FakeModel()))
    return app


def test_without_keys_the_document_has_no_security() -> None:
    document = gateway().test_client().get("/docs/openapi.json").get_json()

    assert "security" not in document
    assert "securitySchemes" not in document["components"]


def test_with_keys_the_document_says_how_to_send_one_and_where() -> None:
    document = gateway(API_KEYS=KEY).test_client().get("/docs/openapi.json").get_json()

    assert document["security"] == [{"X-API-Key": []}, {"Bearer": []}]
    assert document["components"]["securitySchemes"].keys() == {"X-API-Key", "Bearer"}
    assert document["paths"]["/health"]["get"]["security"] == []
    assert document["paths"]["/ready"]["get"]["security"] == [{}, {"X-API-Key": []}, {"Bearer": []}]
    assert "security" not in document["paths"]["/predict"]["post"]


def test_the_root_redirects_to_the_page_without_a_key() -> None:
    answer = gateway(API_KEYS=KEY).test_client().get("/", follow_redirects=True)

    assert (answer.status_code, answer.request.path) == (200, "/docs/")


class StrippingProxy:
    """Passes requests below /churn on without that prefix, and without a header about it."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith(f"{PREFIX}/"):
            return Response("outside", 404)(environ, start_response)
        return self.app(environ | {"PATH_INFO": path.removeprefix(PREFIX)}, start_response)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serves the application on a free port. Yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def browser(*arguments: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", *arguments],
        )
        yield launched
        launched.close()


@contextmanager
def chromium(*arguments: str) -> Iterator[Page]:
    """A page in a browser that was started with these arguments."""
    with browser(*arguments) as launched:
        yield launched.new_page()


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with browser() as launched:
        yield launched


@pytest.fixture
def page(shared_browser: Browser) -> Iterator[Page]:
    """A page of its own: no file, key or setting of another test's page."""
    with shared_browser.new_context() as context:
        yield context.new_page()


def try_example(page: Page) -> str:
    """Sends the documented example. Returns the status."""
    page.locator(".opblock-post").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    answer = page.locator(".live-responses-table .response-col_status").last
    answer.wait_for()
    return answer.inner_text().split()[0]


@needs_chromium
def test_the_page_works_in_a_browser_and_calls_no_other_host(page: Page) -> None:
    urls: list[str] = []
    with served(gateway()) as address:
        page.on("request", lambda request: urls.append(request.url))
        page.goto(f"{address}/")
        page.wait_for_selector(".opblock-summary-path")
        shown = {text.replace("\u200b", "") for text in page.locator(".opblock-summary-path").all_inner_texts()}

        assert page.url == f"{address}/docs/"
        assert shown == ENDPOINTS
        assert try_example(page) == "200"
    assert {urlsplit(url).netloc for url in urls if not url.startswith("data:")} == {urlsplit(address).netloc}


@needs_chromium
@pytest.mark.parametrize("path", ["", "/docs", "/docs/swagger"])
def test_the_page_works_below_a_proxys_prefix(page: Page, path: str) -> None:
    urls: list[str] = []
    with served(StrippingProxy(gateway())) as address:
        page.on("request", lambda request: urls.append(request.url))
        page.goto(f"{address}{PREFIX}{path or '/'}")
        page.wait_for_selector(".opblock-summary-path")

        assert try_example(page) == "200"
    local = [url for url in urls if not url.startswith("data:")]
    assert f"{address}{PREFIX}/predict" in local
    assert [url for url in local if not url.startswith(f"{address}{PREFIX}/")] == []


@needs_chromium
@pytest.mark.parametrize("scheme", ["X-API-Key", "Bearer"])
def test_a_key_can_be_entered_on_the_page(page: Page, scheme: str) -> None:
    with served(gateway(API_KEYS=KEY)) as address:
        page.goto(f"{address}/docs/")
        page.wait_for_selector(".opblock-summary-path")
        page.locator(".auth-wrapper .authorize").first.click()
        form = page.locator(".auth-container form", has_text=scheme)
        form.locator("input").fill(KEY)
        form.get_by_role("button", name="Apply credentials").click()
        page.locator(".btn-done").first.click()

        assert try_example(page) == "200"
