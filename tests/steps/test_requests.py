"""What a person asked for on the console's page is recorded once, and a step carries it out, however late."""

import os
from unittest import mock

import psycopg
import pytest

from configuration import names
from deploy.containers import decision_requests
from local_stack.database import postgres
from local_stack.settings import Settings
from steps import approve, warehouse
from steps.cli.errors import NoApproval, SchemaMismatch
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions, versions
from steps.runs.entry_points import arguments
from steps.warehouse import Request
from tests.steps.states.database import fetch, last_run
from tests.steps.states.serving import in_production
from tests.steps.test_approve import Registry, decided, registry, runs, waiting

__all__ = ["registry", "runs", "waiting"]


def carry_out() -> None:
    approve.main(arguments("approve", {"pending": "true"}))


def test_a_request_is_carried_out_with_the_person_s_name(waiting: Registry) -> None:
    approvals.request_decision("2", "approve", "ann")
    assert (in_production(), [request.version for request in approvals.open_requests()]) == (["1"], ["2"])
    carry_out()
    assert (in_production(), decided()[-1]) == (["2"], ("approval", "promoted", "2", "ann"))
    assert approvals.open_requests() == []
    assert "approved by ann" in last_run("approve", waiting.experiment).data.tags["mlflow.note.content"]


def test_the_service_carries_out_an_open_request_with_the_step(waiting: Registry) -> None:
    tried = decision_requests.Tried()
    decision_requests.look(tried)
    assert in_production() == ["1"]
    approvals.request_decision("2", "approve", "ann")
    decision_requests.look(tried)
    assert (in_production(), decided()[-1]) == (["2"], ("approval", "promoted", "2", "ann"))
    assert approvals.open_requests() == []


def test_the_newest_request_counts(waiting: Registry) -> None:
    approvals.request_decision("2", "approve", "ann")
    approvals.request_decision("2", "refuse", "bob")
    carry_out()
    assert (in_production(), decided()[-1]) == (["1"], ("refusal", "refused", "2", "bob"))


def test_without_a_request_nothing_happens_and_no_run_is_made(
    waiting: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch("steps.runs.tracking.step_run", side_effect=AssertionError):
        carry_out()
    assert "No request waits" in capsys.readouterr().out
    assert in_production() == ["1"]


def test_a_version_that_does_not_wait_cannot_be_asked_for(waiting: Registry) -> None:
    with pytest.raises(NoApproval, match="Version 1 is already in Production"):
        approvals.request_decision("1", "approve", "ann")
    assert warehouse.requests(MODEL_NAME) == []


def test_a_request_is_closed_by_a_decision_in_a_terminal(waiting: Registry) -> None:
    approvals.request_decision("2", "approve", "ann")
    approve.main(arguments("approve", {"version": "2", "by": "Bob", "refuse": "true"}))
    assert approvals.open_requests() == []
    assert waiting.register("boosting", "ask") == names.WAITS
    assert approvals.open_requests() == [], "the new question has no answer yet"


def test_an_answer_to_an_earlier_question_is_no_answer(waiting: Registry) -> None:
    earlier = approvals.of_version(versions.get("2")).question.id - 1
    with pytest.raises(NoApproval, match="waits for another answer"):
        approve.decide("2", "ann", is_refusal=False, question=earlier)


def test_a_request_that_the_gate_refuses_now_stays_open_and_keeps_no_other_back(waiting: Registry) -> None:
    assert waiting.register("linear", "ask") == names.WAITS
    approvals.request_decision("2", "approve", "ann")
    approvals.request_decision("3", "refuse", "bob")
    with (
        mock.patch.object(approve, "promote", side_effect=NoApproval("the gate refuses it now")),
        pytest.raises(
            NoApproval, match=r"ann's request to approve version 2: the gate refuses it now .*refused by bob"
        ),
    ):
        carry_out()
    assert decided()[-1] == ("refusal", "refused", "3", "bob")
    assert [request.requested_by for request in approvals.open_requests()] == ["ann"]


def test_an_approval_that_a_killed_step_left_is_carried_out_again(waiting: Registry) -> None:
    approvals.request_decision("2", "approve", "ann")
    with mock.patch.object(versions, "put_in_stage", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        carry_out()
    assert decided()[-1][:2] == ("approval", "promoted")
    carry_out()
    assert in_production() == ["2"]
    assert [kind for kind, *_ in decided()].count("approval") == 1


@pytest.mark.parametrize(
    "values", [{}, {"version": "2"}, {"by": "Ann"}, {"pending": "true", "version": "2"},
               {"pending": "true", "refuse": "true"}],
)  # fmt: skip
def test_a_decision_has_a_version_and_a_name_or_is_pending(values: dict[str, str]) -> None:
    with pytest.raises(SystemExit):
        approve.parse_args(arguments("approve", values))


INSERT = "INSERT INTO decision_requests (model, version, question, action, requested_by) VALUES (%s, %s, %s, %s, %s)"


@pytest.fixture
def console(waiting: Registry, server: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """libpq and MLflow's client connect as the console's role."""
    postgres.apply_roles(server)
    for name, value in server.login("console").items():
        monkeypatch.setenv(name, value)
    return server


def test_the_console_s_role_appends_a_request_about_a_version_that_waits(console: Settings) -> None:
    question = approvals.of_version(versions.get("2")).question.id
    warehouse.record_request(MODEL_NAME, Request("2", question, "approve", "ann"))
    [request] = warehouse.requests(MODEL_NAME)
    assert (request.version, request.question, request.action, request.requested_by) == (
        "2",
        question,
        "approve",
        "ann",
    )


@pytest.mark.parametrize("changed", ["model", "version", "question", "action", "name", "of the steps", "long"])
def test_the_console_s_role_appends_nothing_else(console: Settings, changed: str) -> None:
    question = approvals.of_version(versions.get("2")).question.id
    other = decisions.about_stages()[0].id  # "promoted"
    shape = {"model": MODEL_NAME, "version": "2", "question": question, "action": "approve", "name": "ann"}
    wrong: dict[str, dict[str, object]] = {
        "model": {"model": "mine"}, "version": {"version": "1"}, "question": {"question": other},
        "action": {"action": "promote"}, "name": {"name": ""},
        "of the steps": {"name": "Gate"}, "long": {"name": "a" * 33},
    }  # fmt: skip
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)
    with psycopg.connect("", options="-c default_transaction_read_only=off") as connection:
        connection.execute(INSERT, list(shape.values()))
        connection.rollback()
        with pytest.raises(refused):
            connection.execute(INSERT, list({**shape, **wrong[changed]}.values()))


def test_another_role_cannot_ask(waiting: Registry, server: Settings) -> None:
    postgres.apply_roles(server)
    question = approvals.of_version(versions.get("2")).question.id
    with (
        mock.patch.dict(os.environ, server.login("watcher")),
        pytest.raises(SchemaMismatch, match="takes no requests: permission denied"),
    ):
        warehouse.record_request(MODEL_NAME, Request("2", question, "approve", "ann"))
    assert fetch("SELECT count(*) FROM decision_requests") == [(0,)]


def test_nobody_changes_a_request(waiting: Registry) -> None:
    approvals.request_decision("2", "approve", "ann")
    for statement in ("UPDATE decision_requests SET action = 'refuse'", "DELETE FROM decision_requests",
                      "TRUNCATE decision_requests"):  # fmt: skip
        with pytest.raises(psycopg.Error, match="append-only"), psycopg.connect("") as owner:
            owner.execute(statement)
