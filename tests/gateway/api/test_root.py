"""The gateway's root: the console for browsers, the API's page for others."""

import pytest

from tests.gateway.api.test_docs import gateway

CONSOLE = "http://127.0.0.1:8080"
OF_A_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def location(accept: str | None, **config: str) -> str:
    answer = gateway(**config).test_client().get("/", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_a_browser_is_led_to_the_console() -> None:
    assert location(OF_A_BROWSER, CONSOLE_URL=CONSOLE) == f"{CONSOLE}/"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_other_clients_are_led_to_the_documentation(accept: str | None) -> None:
    assert location(accept, CONSOLE_URL=CONSOLE) == "docs/"


def test_without_a_console_a_browser_is_led_to_the_documentation() -> None:
    assert location(OF_A_BROWSER) == "docs/"
