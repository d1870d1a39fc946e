"""The watcher's status: used at once, in one step, and kept while the watcher does not answer."""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from tests.gateway.fakes import ANSWER, COMPLETE, RUN_ID, USER, FakeFeatures, FakeServer, reply, running
from tests.waiting import wait_until

DEADLINE_S = 1.0
FEATURE_LISTS = {"3": "churn_v1", "4": "churn_v2"}


def serving(url: str, version: str) -> dict[str, Any]:
    run_and_list = {"run_id": RUN_ID, "feature_service": FEATURE_LISTS[version]}
    return {"url": url, "model_name": "streamflow_churn", "version": version, **run_and_list}


def status_body(serving: dict[str, Any] | None, *warnings: str, problem: str | None = None) -> dict[str, Any]:
    return {"serving": serving, "warnings": list(warnings), "problem": problem}


def answering(version: str, **other: Any) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    answer = ANSWER | {"model_version": version, "feature_service": FEATURE_LISTS[version]} | other
    return reply({"predictions": [answer]})


def hang(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.server.closing.wait()  # type: ignore[attr-defined]


@pytest.fixture
def third() -> Iterator[FakeServer]:
    """A model server that answers as version 3."""
    with running(FakeServer()) as server:
        server.replies = [answering("3")]
        yield server


@pytest.fixture
def fourth() -> Iterator[FakeServer]:
    """A model server that answers as version 4, which uses other features."""
    with running(FakeServer()) as server:
        server.replies = [answering("4")]
        yield server


@pytest.fixture
def watcher(third: FakeServer) -> Iterator[FakeServer]:
    """Answers that version 3 is live."""
    with running(FakeServer()) as server:
        server.replies = [reply(status_body(serving(third.url, "3")))]
        yield server


@pytest.fixture
def gateway(watcher: FakeServer) -> Iterator[FlaskClient]:
    """Has the watcher's first status."""
    app = create_app({"ROLLOUT_URL": watcher.url, "DEADLINE_S": DEADLINE_S}, features=FakeFeatures({USER: COMPLETE}))
    client: FlaskClient = app.test_client()
    wait_until(lambda: predict(client)[0] == 200)
    yield client
    app.extensions["streamflow"].close()


def predict(client: FlaskClient) -> tuple[int, dict[str, Any]]:
    answer = client.post("/predict", json={"user_id": USER})
    return answer.status_code, answer.get_json()


def version(client: FlaskClient) -> str | None:
    status, answer = predict(client)
    return answer["model"]["version"] if status == 200 else None


def test_the_live_version_answers_with_its_features_and_the_next_one_after_a_switch(
    gateway: FlaskClient, watcher: FakeServer, fourth: FakeServer
) -> None:
    before = predict(gateway)[1]
    watcher.replies = [reply(status_body(serving(fourth.url, "4")))]
    wait_until(lambda: version(gateway) == "4")
    after = predict(gateway)[1]

    assert (before["model"]["version"], list(before["features_used"])) == (
        "3",
        ["months_active", "monthly_fee", "net_service"],
    )
    assert (after["model"]["version"], list(after["features_used"])) == ("4", ["months_active", "total_paid"])
    assert after["feature_service"] == "churn_v2"


def test_the_watcher_is_polled_over_one_connection(gateway: FlaskClient, watcher: FakeServer) -> None:
    wait_until(lambda: len(watcher.seen) > 3)

    assert {path for path, _body in watcher.seen} == {"/live", "/answers"}
    assert len(watcher.connections) == 1


def test_a_request_whose_server_just_stopped_is_answered_by_the_next_one(
    gateway: FlaskClient, watcher: FakeServer, third: FakeServer, fourth: FakeServer
) -> None:
    def stopped_after_the_switch(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        watcher.replies = [reply(status_body(serving(fourth.url, "4")))]
        handler.close_connection = True

    third.replies = [stopped_after_the_switch]

    assert version(gateway) == "4"


@pytest.mark.parametrize(
    "other", [{"model_version": "9"}, {"run_id": "f" * 32}, {"model_name": "other"}, {"feature_service": "churn_v2"}]
)
def test_an_answer_of_another_version_than_the_live_one_is_refused(
    gateway: FlaskClient, third: FakeServer, other: dict[str, str]
) -> None:
    third.replies = [answering("3", **other)]

    status, answer = predict(gateway)

    assert (status, answer["code"]) == (503, "another_version")


def test_another_run_with_the_same_version_number_takes_over(
    gateway: FlaskClient, watcher: FakeServer, fourth: FakeServer
) -> None:
    new_run = "e" * 32
    fourth.replies = [answering("3", run_id=new_run)]
    watcher.replies = [reply(status_body(serving(fourth.url, "3") | {"run_id": new_run}))]
    wait_until(lambda: predict(gateway)[1]["model"]["run_id"] == new_run)
    assert gateway.get("/ready").get_json()["serving"]["run_id"] == new_run


def test_while_the_watcher_does_not_answer_its_last_status_is_used_and_ready_says_so(
    gateway: FlaskClient, watcher: FakeServer
) -> None:
    watcher.replies = [reply(b"", 500)]
    wait_until(lambda: gateway.get("/ready").get_json()["note"] is not None)

    assert gateway.get("/ready").status_code == 200
    assert version(gateway) == "3"
    watcher.replies = [hang]
    assert version(gateway) == "3"


@pytest.mark.parametrize(
    "invalid", [b"", b"<html>", b"[]", b'{"serving": {"url": 1}, "warnings": [], "problem": null}']
)
def test_an_invalid_status_is_ignored(gateway: FlaskClient, watcher: FakeServer, invalid: bytes) -> None:
    watcher.replies = [reply(invalid)]
    wait_until(lambda: gateway.get("/ready").get_json()["note"] is not None)

    assert version(gateway) == "3"


def test_while_no_model_server_is_live_requests_fail_at_once(gateway: FlaskClient, watcher: FakeServer) -> None:
    watcher.replies = [reply(status_body(None, problem="The model server ended; it is being restarted"))]
    wait_until(lambda: predict(gateway)[0] == 503)
    began = time.monotonic()

    answer = gateway.post("/predict", json={"user_id": USER})

    assert time.monotonic() - began < 0.5
    assert (answer.status_code, answer.get_json()["code"]) == (503, "no_live_model")
    assert answer.headers["Retry-After"] == "1"
    assert "being restarted" in answer.get_json()["detail"]


def test_a_model_server_that_hangs_delays_no_request_past_the_deadline(gateway: FlaskClient, third: FakeServer) -> None:
    third.replies = [hang]
    began = time.monotonic()

    status, answer = predict(gateway)

    assert time.monotonic() - began < 1.5
    assert status == 503
    # the model call and the request end at the same time; either error may come first
    assert answer["code"] in {"deadline_exceeded", "model_unavailable"}


def test_ready_shows_warnings_and_a_problem_and_stays_ready(
    gateway: FlaskClient, watcher: FakeServer, third: FakeServer
) -> None:
    third.replies = [reply(b"\n")]
    status = status_body(
        serving(third.url, "3"), "Versions 3 and 2 are in Production", problem="Version 4 cannot serve: x"
    )
    watcher.replies = [reply(status)]
    wait_until(lambda: gateway.get("/ready").get_json()["warnings"] != [])

    answer = gateway.get("/ready")

    assert answer.status_code == 200
    assert {name: answer.get_json()[name] for name in status} == status


def test_before_the_watchers_first_answer_requests_fail() -> None:
    with running(FakeServer()) as silent:
        silent.replies = [hang]
        app = create_app({"ROLLOUT_URL": silent.url}, features=FakeFeatures({USER: COMPLETE}))

        status, answer = predict(app.test_client())

        app.extensions["streamflow"].close()
    assert (status, answer["code"]) == (503, "rollout_unavailable")


def test_a_frozen_model_server_opens_the_breaker_and_is_used_again_afterwards(
    gateway: FlaskClient, third: FakeServer
) -> None:
    third.replies = [hang]
    codes = {predict(gateway)[1]["code"] for _ in range(4)}
    wait_until(lambda: refused_at_once(gateway))
    third.replies = [answering("3")]

    wait_until(lambda: version(gateway) == "3")

    assert codes <= {"deadline_exceeded", "model_unavailable", "model_circuit_open"}


def refused_at_once(gateway: FlaskClient) -> bool:
    began = time.monotonic()
    code = predict(gateway)[1].get("code")
    return code == "model_circuit_open" and time.monotonic() - began < DEADLINE_S / 2


def test_a_model_server_restarted_at_another_address_is_used(
    gateway: FlaskClient, watcher: FakeServer, third: FakeServer, fourth: FakeServer
) -> None:
    third.replies = [lambda handler, _body: setattr(handler, "close_connection", True)]
    assert predict(gateway)[0] == 503
    watcher.replies = [reply(status_body(None, problem="The model server ended"))]
    wait_until(lambda: predict(gateway)[1]["code"] == "no_live_model")
    fourth.replies = [answering("3")]
    watcher.replies = [reply(status_body(serving(fourth.url, "3")))]

    wait_until(lambda: version(gateway) == "3")
