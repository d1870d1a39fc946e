"""Who may read the console: hosts, keys, forms of other sites, and what a browser may load."""

import logging
import socket

import pytest
from flask.testing import FlaskClient

from console.app import create_app
from console.errors import InvalidSetting
from console.server import serve
from console.settings import load_settings
from tests.console.conftest import KEY, PERSON, sign_in, token

EVERY = "0.0.0.0"  # noqa: S104 - nothing listens
KEYS = f"{PERSON}:{KEY}, Bob:another-key-of-letters"


@pytest.fixture
def locked(server: object) -> FlaskClient:
    """A console with keys, which needs no month."""
    return create_app(load_settings({"KEYS": KEYS, "ALLOWED_HOSTS": "console.example"})).test_client()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.7", ""])
def test_a_foreign_host_is_refused(locked: FlaskClient, host: str) -> None:
    assert locked.get("/sign-in", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "console.example"])
def test_an_own_host_is_answered(locked: FlaskClient, host: str) -> None:
    assert locked.get("/sign-in", headers={"Host": host}).status_code == 200


def test_health_answers_every_host_without_a_key(locked: FlaskClient) -> None:
    assert locked.get("/health", headers={"Host": "10.0.0.7"}).get_json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/customer?user_id=anna", "/monitoring", "/decisions", "/no-such-page"])
def test_with_keys_no_page_is_shown_to_somebody_without_one(locked: FlaskClient, path: str) -> None:
    answer = locked.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in")


def test_a_key_signs_its_person_in_and_out(locked: FlaskClient) -> None:
    assert sign_in(locked) == 302
    assert f"<span>{PERSON}</span>" in locked.get("/sign-in").text

    locked.post("/sign-out", data={"csrf": token(locked)})
    assert locked.get("/decisions").status_code == 302


def test_a_wrong_key_is_refused_and_logged_without_its_text(
    locked: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert sign_in(locked, "a-wrong-key-of-letters") == 401
    assert "A wrong key from" in caplog.text
    assert "a-wrong-key" not in caplog.text
    assert locked.get("/decisions").status_code == 302


@pytest.mark.parametrize("sent", ["", "a-guess"])
def test_a_form_without_the_pages_token_is_refused(locked: FlaskClient, sent: str) -> None:
    token(locked)
    assert locked.post("/sign-in", data={"csrf": sent, "key": KEY}).status_code == 403


def test_a_form_of_another_site_is_refused_even_with_the_token(locked: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert locked.post("/sign-in", data={"csrf": token(locked), "key": KEY}, headers=headers).status_code == 403


def test_a_token_from_before_signing_in_is_worth_nothing_after_it(locked: FlaskClient) -> None:
    before = token(locked)
    sign_in(locked)
    assert locked.post("/sign-out", data={"csrf": before}).status_code == 403


def test_the_cookie_is_of_this_site_and_of_no_script(locked: FlaskClient) -> None:
    cookie = locked.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_page_may_load_and_send_nothing_elsewhere(locked: FlaskClient) -> None:
    headers = locked.get("/sign-in").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_form_that_is_too_large_is_refused(locked: FlaskClient) -> None:
    assert locked.post("/sign-in", data={"key": "a" * 20_000}).status_code == 413


def test_without_keys_the_console_listens_on_a_loopback_address_alone() -> None:
    load_settings().check_binding()
    load_settings({"HOST": EVERY, "KEYS": KEYS}).check_binding()
    load_settings({"HOST": EVERY, "ALLOW_OPEN": "true"}).check_binding()
    with pytest.raises(InvalidSetting, match=r"could read the console at '0\.0\.0\.0'"):
        load_settings({"HOST": EVERY}).check_binding()
    with pytest.raises(InvalidSetting, match=r"10\.0\.0\.7"):
        load_settings({"PUBLISHED_AT": "10.0.0.7"}).check_binding()


@pytest.mark.parametrize("keys", [KEY, f"Ann:{KEY},{KEY}-more", "Ann:short", f"Ann:{KEY},Bob:{KEY}"])
def test_a_key_has_the_name_of_a_person_and_is_long(keys: str) -> None:
    with pytest.raises(InvalidSetting, match="CONSOLE_KEYS") as caught:
        load_settings({"KEYS": keys})
    assert KEY not in str(caught.value)


def test_a_port_in_use_is_refused_with_its_number() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSetting, match=rf"CONSOLE_PORT={port}: cannot listen on this address: .* in use"):
            serve(load_settings({"PORT": port}))
