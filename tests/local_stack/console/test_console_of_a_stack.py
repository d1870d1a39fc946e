"""The console of a running stack: its role reads each page, and a person approves and refuses versions with a key."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from unittest import mock

import pytest
import requests

from bench import swap
from bench.testbed import candidates
from bench.testbed.testbed import Testbed, read_users
from configuration import names
from local_stack.services import make_services
from steps import register, rollback, score, train, warehouse
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY, free_port
from tests.local_stack.conftest import OwnStack
from tests.waiting import answers, wait_until

pytestmark = pytest.mark.slow
KEY, PERSON = "a-key-of-letters-0123", "Ann"
# any interval passes
ANY = {"rule": "not_worse", "margin": "1", "min_auc": "0.1", "min_users": "20", "promote": "ask"}


@pytest.fixture(scope="module")
def testbed(up_stack: OwnStack) -> Iterator[Testbed]:
    with mock.patch.dict(os.environ, up_stack.settings.exported()):
        yield Testbed(up_stack.settings, read_users(up_stack.months))


@pytest.fixture(scope="module")
def locked(up_stack: OwnStack, testbed: Testbed) -> Iterator[str]:
    """A second console beside the stack's own, with the same login and a key. Its address."""
    port, own = free_port(), make_services(up_stack.settings)[-1]
    keys = {"CONSOLE_KEYS": f"{PERSON}:{KEY}", "CONSOLE_PORT": str(port)}
    console = replace(own, name="console with a key", port=port, environment={**own.environment, **keys})
    console.start(up_stack.settings)
    process = console.process
    assert process is not None
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture
def signed_in(locked: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.post(f"{locked}/sign-in", {"csrf": token(session.get(f"{locked}/sign-in").text), "key": KEY})
        yield session


def token(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def text_of(url: str, **query: str) -> str:
    answer = requests.get(url, query, timeout=30)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def own_console(stack: OwnStack) -> str:
    return f"http://127.0.0.1:{stack.environment['CONSOLE_PORT']}"


def waiting(kind: str) -> str:
    """A new version that waits for a person."""
    train.main(arguments("train", {"as_of": str(JANUARY), "model": kind, "n_estimators": "8", "max_iter": "8"}))
    register.main(arguments("register", {"as_of": str(JANUARY), **ANY}))
    version = candidates.newest({"model": kind})
    assert version is not None
    return version


def decided() -> tuple[str, str | None, str]:
    row = warehouse.decisions(MODEL_NAME)[-1]
    return row.outcome, row.version, row.decided_by


def decide(session: requests.Session, address: str, version: str, action: str) -> str:
    """The text of the page that follows."""
    form = {"csrf": token(session.get(f"{address}/decisions").text), "action": action}
    page = session.post(f"{address}/decisions/{version}", form, timeout=120).text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_gateways_root_leads_a_browser_to_the_console(up_stack: OwnStack) -> None:
    root = f"http://127.0.0.1:{up_stack.environment['GATEWAY_PORT']}/"
    of_browser = requests.get(root, headers={"Accept": "text/html,*/*;q=0.8"}, timeout=10)
    assert of_browser.url == f"{own_console(up_stack)}/"
    assert "The version that answers" in of_browser.text
    assert requests.get(root, headers={"Accept": "application/json"}, timeout=10).url == f"{root}docs/"


def test_each_page_is_read_with_the_consoles_own_role(up_stack: OwnStack, testbed: Testbed) -> None:
    score.main(arguments("score", {"as_of": str(JANUARY)}))
    address, version = own_console(up_stack), testbed.live()["serving"]["version"]
    now = text_of(f"{address}/")
    assert f"Version {version} since" in now
    assert "down" not in now.split("Health")[1].split("Newest month")[0]
    listed = text_of(f"{address}/call-list", campaign=str(JANUARY))
    [[user_id]] = [[user.user_id] for user in warehouse.listed_users(str(JANUARY), warehouse.ListFilter(), limit=1)]
    assert f"1 {user_id}" in listed
    assert "Measured on" in listed or "Not measured: too few" in listed
    for page in ("monitoring", "decisions"):
        text_of(f"{address}/{page}")


def test_a_customer_has_the_gateways_answer_with_its_reasons(up_stack: OwnStack, testbed: Testbed) -> None:
    user_id = testbed.users[0]
    gateway = f"http://127.0.0.1:{up_stack.environment['GATEWAY_PORT']}"
    answer = requests.post(f"{gateway}/predict", json={"user_id": user_id, "explain": 3}, timeout=10).json()
    text = text_of(f"{own_console(up_stack)}/customer", user_id=user_id)
    assert f": {answer['probability']:.4f}" in text
    for entry in answer["reasons"]["features"]:
        assert f"{entry['contribution']:+.4f} {entry['direction']}" in text


def test_without_a_key_nobody_decides(up_stack: OwnStack, locked: str) -> None:
    assert requests.get(f"{locked}/decisions", timeout=10).url == f"{locked}/sign-in"
    for address in (locked, own_console(up_stack)):
        answer = requests.post(f"{address}/decisions/1", {"action": "approve"}, timeout=10)
        assert answer.status_code == 403


def test_a_person_refuses_and_approves_versions_by_name(
    testbed: Testbed, locked: str, signed_in: requests.Session
) -> None:
    before = testbed.live()["serving"]
    version = waiting("logistic_regression")
    assert signed_in.post(f"{locked}/decisions/{version}", {"action": "approve"}, timeout=10).status_code == 403
    assert decided()[:2] == ("waits", version)
    assert f"refused by {PERSON}" in decide(signed_in, locked, version, "refuse")
    assert decided() == ("refused", version, PERSON)
    assert testbed.live()["serving"] == before

    version = waiting("hist_gradient_boosting")
    try:
        assert f"approved by {PERSON}" in decide(signed_in, locked, version, "approve")
        assert decided() == ("promoted", version, PERSON)
        swap.wait_for(lambda: testbed.live()["serving"]["version"] == version, "the approved version")
    finally:
        if versions.get(version).current_stage == names.PRODUCTION:
            rollback.main(arguments("rollback", {}))
    swap.wait_for(lambda: testbed.live()["serving"]["version"] == before["version"], "the version before")
