"""A console without the command of `approve`, as in a container, records what a person asks for, and shows it."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from console.app import create_app
from console.settings import load_settings
from steps import approve, warehouse
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.console.conftest import KEY, PERSON, sign_in, token
from tests.steps.conftest import empty_registry, trainings
from tests.steps.states.serving import in_production
from tests.steps.test_approve import Registry, registry, runs, waiting

__all__ = ["empty_registry", "registry", "runs", "trainings", "waiting"]


@pytest.fixture
def person(server: object) -> FlaskClient:
    client = create_app(load_settings({"KEYS": f"{PERSON}:{KEY}"})).test_client()
    sign_in(client)
    return client


def send(client: FlaskClient, action: str, version: int = 2) -> str:
    """The page that follows."""
    form = {"csrf": token(client, "/decisions"), "action": action}
    return client.post(f"/decisions/{version}", data=form, follow_redirects=True).text


def test_a_request_is_shown_until_a_step_carries_it_out(waiting: Registry, person: FlaskClient) -> None:
    page = send(person, "approve")
    assert f"[OK] Recorded: {PERSON} asks to approve version 2." in page
    assert f"{PERSON} asked to approve it at " in page
    assert "Not carried out yet" in page
    assert in_production() == ["1"]

    approve.main(arguments("approve", {"pending": "true"}))

    after = person.get("/decisions").text
    assert "No version waits." in after
    assert "Not carried out yet" not in after
    assert in_production() == ["2"]


def test_a_later_request_replaces_an_earlier_one(waiting: Registry, person: FlaskClient) -> None:
    send(person, "approve")
    page = send(person, "refuse")
    assert f"{PERSON} asked to refuse it at " in page
    assert "asked to approve it" not in page
    assert [request.action for request in warehouse.requests(MODEL_NAME)] == ["approve", "refuse"]


def test_what_does_not_wait_cannot_be_asked_for(waiting: Registry, person: FlaskClient) -> None:
    page = send(person, "approve", version=1)
    assert "Version 1 is already in Production" in page
    assert warehouse.requests(MODEL_NAME) == []


def test_a_page_without_a_link_to_a_run_does_without_mlflow(
    server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would try for minutes to reach a database that is down: a foreign host must not cause that."""
    client = create_app(load_settings({"KEYS": f"{PERSON}:{KEY}"})).test_client()
    monkeypatch.setenv("PGHOST", str(tmp_path))
    monkeypatch.setattr("mlflow.tracking.MlflowClient.get_experiment_by_name", None)
    assert client.get("/sign-in").status_code == 200
    assert client.get("/sign-in", headers={"Host": "evil.example"}).status_code == 421
