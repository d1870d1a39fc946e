"""The pages in a browser: accessible, readable on a telephone, light and dark, and without a request to others."""

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.console.conftest import KEY, MARKUP, PERSON, Filled, MakeConsole
from tests.gateway.api.test_docs import browser, served
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")

TELEPHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
USER = "4686-GEFRM"
PATHS = (
    "/", f"/customer?user_id={USER}&feature.months_active=3", "/call-list", "/monitoring", "/decisions", "/no-such-page"
)  # fmt: skip


@pytest.fixture(scope="module")
def address(make_console: MakeConsole) -> Iterator[str]:
    with served(make_console()) as own:
        yield own


@pytest.fixture(scope="module")
def launched() -> Iterator[Browser]:
    with browser() as own:
        yield own


@pytest.fixture
def page(launched: Browser) -> Iterator[Page]:
    with launched.new_context() as context:
        yield context.new_page()


def serious(page: Page) -> list[tuple[Any, ...]]:
    """What axe finds: rule, impact and element."""
    violations = Axe().run(page).response["violations"]
    return [
        (violation["id"], violation["impact"], node["html"])
        for violation in violations
        for node in violation["nodes"]
        if violation["impact"] in ("serious", "critical", "moderate")
    ]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_serious_obstacle(page: Page, address: str, path: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}{path}")
    assert serious(page) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_a_telephone(page: Page, address: str, path: str) -> None:
    page.set_viewport_size(TELEPHONE)  # type: ignore[arg-type]
    page.goto(f"{address}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
    assert serious(page) == []


def test_dark_and_light_differ(page: Page, address: str) -> None:
    colours = set()
    schemes: tuple[Any, ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.goto(address)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


@pytest.mark.parametrize("path", PATHS)
def test_a_page_asks_no_other_host_and_breaks_no_rule_of_its_own(page: Page, address: str, path: str) -> None:
    urls: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.goto(f"{address}{path}")
    assert {urlsplit(url).netloc for url in urls} == {urlsplit(address).netloc}
    assert [text for text in messages if "Content Security Policy" in text] == []


def test_markup_in_an_id_and_in_a_reason_runs_nothing(page: Page, address: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{address}/customer")
    page.get_by_label("Customer’s id").fill(MARKUP)  # noqa: RUF001 - a typographic apostrophe
    page.get_by_role("button", name="Find").click()
    assert page.get_by_role("heading", name=MARKUP).count() == 1
    page.goto(f"{address}/decisions")
    assert MARKUP in page.locator("main").inner_text()
    assert page.locator("main b").count() == 0


def test_a_value_is_changed_with_the_keyboard_alone(page: Page, address: str) -> None:
    page.goto(f"{address}/customer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(USER)
    page.keyboard.press("Enter")
    page.get_by_label("Another value of months_active").focus()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.wait_for_url("**feature.months_active=3**")
    assert "months_active: 70 becomes 3" in page.locator("main").inner_text()


def test_a_wide_table_scrolls_in_itself_and_by_keyboard(page: Page, address: str, filled: Filled) -> None:
    page.set_viewport_size(TELEPHONE)  # type: ignore[arg-type]
    page.goto(f"{address}/decisions")
    region = page.get_by_role("region", name="Decisions")
    region.focus()
    before = region.evaluate("element => element.scrollLeft")
    page.keyboard.press("ArrowRight")
    wait_until(lambda: region.evaluate("element => element.scrollLeft") > before)
    assert before == 0


def test_a_person_signs_in_and_out(page: Page, make_console: MakeConsole) -> None:
    with served(make_console(KEYS=f"{PERSON}:{KEY}")) as address:
        page.goto(f"{address}/decisions")
        assert urlsplit(page.url).path == "/sign-in"
        assert serious(page) == []
        page.get_by_label("Your key").fill(KEY)
        page.get_by_role("button", name="Sign in").click()
        assert urlsplit(page.url).path == "/"
        page.get_by_role("button", name="Sign out").click()
        assert urlsplit(page.url).path == "/sign-in"
