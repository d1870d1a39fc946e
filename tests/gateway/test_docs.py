"""/docs works without the internet, and the OpenAPI document says everything."""

import re
import shutil
import threading
import tomllib
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from local_stack.settings import ROOT

from .fakes import USER

ENDPOINTS = {"/health", "/ready", "/features/{user_id}", "/predict"}


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_leads_to_the_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path, follow_redirects=True)

    assert answer.status_code == 200
    assert "swagger-ui" in answer.text


def test_everything_the_page_loads_is_here(client: FlaskClient) -> None:
    page = client.get("/docs", follow_redirects=True)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert len(loaded) >= 4
    assert [link for link in loaded if urlsplit(link).netloc] == []
    base, statuses = page.request.path, {}
    for link in loaded:
        with client.get(urljoin(base, link)) as answer:  # of a file, which is open until then
            statuses[link] = answer.status_code
    assert statuses == dict.fromkeys(loaded, 200)


def test_the_page_may_not_reach_another_host(client: FlaskClient) -> None:
    page = client.get("/docs", follow_redirects=True)

    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "validatorUrl" in page.text


def test_every_endpoint_is_documented_with_its_answers(client: FlaskClient) -> None:
    paths = client.get("/docs/openapi.json").get_json()["paths"]

    answers = {path: set(next(iter(operations.values()))["responses"]) for path, operations in paths.items()}
    assert answers == {
        "/health": {"200", "500"},
        "/ready": {"200", "500", "503"},
        "/features/{user_id}": {"200", "404", "422", "500", "503"},
        "/predict": {"200", "404", "409", "413", "415", "422", "500", "503"},
    }


def test_the_document_names_the_projects_version(client: FlaskClient) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert client.get("/docs/openapi.json").get_json()["info"]["version"] == project["version"]


def test_the_features_that_may_be_given_are_those_of_the_live_version(client: FlaskClient) -> None:
    body = client.get("/docs/openapi.json").get_json()["paths"]["/predict"]["post"]["requestBody"]

    [one_user, many_users] = body["content"]["application/json"]["schema"]["oneOf"]
    for alternative in (one_user, many_users):
        features = alternative["properties"]["features"]
        assert list(features["properties"]) == ["months_active", "monthly_fee", "net_service"]
        assert features["additionalProperties"] is False


def test_the_documented_example_can_be_tried_as_it_is(client: FlaskClient) -> None:
    operation = client.get("/docs/openapi.json").get_json()["paths"]["/predict"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["schema"]["example"]

    assert example == {"user_id": USER}
    assert client.post("/predict", json=example).status_code == 200


@pytest.fixture
def served(client: FlaskClient) -> Iterator[str]:
    """The address of the gateway, served on a free port."""
    server = make_server("127.0.0.1", 0, client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no program named chromium on this machine")
def test_the_page_works_in_a_browser_and_asks_no_other_host(served: str) -> None:
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served}/docs")
        page.wait_for_selector(".opblock-summary-path")
        shown = {text.replace("\u200b", "") for text in page.locator(".opblock-summary-path").all_inner_texts()}
        page.locator(".opblock-post").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table .response-col_status").last
        answer.wait_for()
        status = answer.inner_text().split()[0]
        browser.close()

    assert shown == ENDPOINTS
    assert status == "200"
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(served).netloc}
