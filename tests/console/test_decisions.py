"""A person approves or refuses a waiting version on the page: the step `approve` carries it out, with the name."""

import subprocess
import sys
from typing import Any

import pytest
from flask.testing import FlaskClient

from console.app import create_app
from console.pages import decisions
from console.settings import load_settings
from steps import warehouse
from steps.cli.settings import MODEL_NAME
from tests.console.conftest import KEY, PERSON, sign_in, token
from tests.steps.conftest import empty_registry, trainings
from tests.steps.states.serving import in_production
from tests.steps.test_approve import Registry, registry, runs, waiting

__all__ = ["empty_registry", "registry", "runs", "trainings", "waiting"]

COMMAND = f"{sys.executable} -m steps.approve"


def console(**settings: str) -> FlaskClient:
    return create_app(load_settings({"KEYS": f"{PERSON}:{KEY}", **settings})).test_client()


@pytest.fixture
def signed_in(server: object) -> FlaskClient:
    client = console(APPROVE_COMMAND=COMMAND)
    sign_in(client)
    return client


def send(client: FlaskClient, action: str, version: int = 2) -> str:
    """The page that follows."""
    form = {"csrf": token(client, "/decisions"), "action": action}
    return client.post(f"/decisions/{version}", data=form, follow_redirects=True).text


def newest() -> tuple[str, str, str | None, str]:
    row = warehouse.decisions(MODEL_NAME)[-1]
    return row.kind, row.outcome, row.version, row.decided_by


def test_a_waiting_version_is_shown_with_its_comparison(waiting: Registry, signed_in: FlaskClient) -> None:
    page = signed_in.get("/decisions").text
    assert "Version 1 is in Production" in page
    assert "Gain, with its 95% interval" in page
    assert "Approve version 2" in page


def test_a_person_approves_a_version(waiting: Registry, signed_in: FlaskClient) -> None:
    page = send(signed_in, "approve")
    assert "version 2 is in Production, approved by Ann" in page
    assert "No version waits." in page
    assert in_production() == ["2"]
    assert newest() == ("approval", "promoted", "2", PERSON)


def test_a_person_refuses_a_version(waiting: Registry, signed_in: FlaskClient) -> None:
    assert "refused by Ann" in send(signed_in, "refuse")
    assert in_production() == ["1"]
    assert newest() == ("refusal", "refused", "2", PERSON)


def test_what_the_step_refuses_is_shown_and_changes_nothing(waiting: Registry, signed_in: FlaskClient) -> None:
    page = send(signed_in, "approve", version=1)
    assert 'class="note problem"' in page
    assert "Version 1 is already in Production" in page
    assert newest()[:2] == ("promotion", "waits")


def test_without_a_key_the_page_names_the_command_and_the_form_is_refused(waiting: Registry) -> None:
    open_console = console(KEYS="", APPROVE_COMMAND=COMMAND)
    page = open_console.get("/decisions").text
    assert "mlflow run . -e approve -P version=2 -P by=NAME" in page
    assert "<button" not in page
    form = {"csrf": token(open_console, "/customer") if "csrf" in open_console.get("/customer").text else ""}
    assert open_console.post("/decisions/2", data={**form, "action": "approve"}).status_code == 403
    assert in_production() == ["1"]


def test_a_form_without_the_token_changes_nothing(waiting: Registry, signed_in: FlaskClient) -> None:
    assert signed_in.post("/decisions/2", data={"action": "approve"}).status_code == 403
    assert newest()[:2] == ("promotion", "waits")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would be run, instead of running them."""
    started: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> "subprocess.CompletedProcess[str]":
        started.append(command)
        return subprocess.CompletedProcess(command, 0, "first\n[OK] last\n\n")

    monkeypatch.setattr(subprocess, "run", run)
    return started


def test_an_unknown_action_is_refused(signed_in: FlaskClient, commands: list[list[str]]) -> None:
    form = {"csrf": token(signed_in, "/decisions"), "action": "promote"}
    assert signed_in.post("/decisions/2", data=form).status_code == 400
    assert commands == []


def test_the_last_line_of_the_step_is_shown(commands: list[list[str]]) -> None:
    settings = load_settings({"APPROVE_COMMAND": "approve --now"})
    assert decisions.carry_out(settings, 2, "Ann Smith", "false") == (True, "[OK] last")
    assert commands == [["approve", "--now", "--version=2", "--by=Ann Smith", "--refuse=false", "--pending=false"]]


def test_one_decision_is_carried_out_at_a_time(commands: list[list[str]]) -> None:
    with decisions.ONE_AT_A_TIME:
        ok, text = decisions.carry_out(load_settings({"APPROVE_COMMAND": "approve"}), 2, "Ann", "false")
    assert not ok
    assert "Another decision" in text
    assert commands == []


def test_a_step_that_cannot_be_started_is_a_message() -> None:
    ok, text = decisions.carry_out(load_settings({"APPROVE_COMMAND": "/no/such/program"}), 2, "Ann", "false")
    assert not ok
    assert "could not be run to its end" in text
