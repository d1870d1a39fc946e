"""The gateways' reports at the watcher's port."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import pytest
import requests

from configuration.answer_report import LONGEST, AnswerCounts, AnswerReport
from rollout import control
from rollout.probation import answers
from rollout.probation.answers import ReportedAnswers

URL, KEY = "http+unix://%2Fsockets%2Fv3", "secret"


@pytest.fixture
def reported() -> ReportedAnswers:
    reported = ReportedAnswers()
    reported.expect(URL, KEY)
    return reported


@pytest.fixture
def port(reported: ReportedAnswers) -> Iterator[str]:
    server = control.serve("127.0.0.1", 0, dict[str, Any], take_answers=reported.take)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def report(count: int, client: str = "a", url: str = URL, key: str = KEY) -> bytes:
    return json.dumps(asdict(AnswerReport(url, client, key, AnswerCounts(count, 1, count, 1, 0.5)))).encode()


def post(port: str, body: bytes, path: str = "/answers", **headers: str) -> int:
    sent = {"Content-Type": "application/json", **headers}
    return requests.post(f"{port}{path}", data=body, headers=sent, timeout=5).status_code


def test_reports_of_several_gateways_add_up_and_one_sent_twice_counts_once(
    port: str, reported: ReportedAnswers
) -> None:
    statuses = [post(port, body) for body in (report(3), report(5), report(5), report(10, client="b"))]

    assert statuses == [HTTPStatus.NO_CONTENT] * 4
    assert reported.of(URL) == AnswerCounts(15, 2, 15, 2, 1.0)


def test_a_report_without_the_key_is_refused(port: str, reported: ReportedAnswers) -> None:
    assert post(port, report(3, key="guessed")) == HTTPStatus.FORBIDDEN
    assert post(port, report(3, key="")) == HTTPStatus.FORBIDDEN
    assert reported.of(URL) == AnswerCounts()


def test_a_report_about_a_server_that_ended_is_dropped(port: str, reported: ReportedAnswers) -> None:
    assert post(port, report(3, url="http+unix://%2Fother")) == HTTPStatus.NO_CONTENT
    reported.forget(URL)
    assert post(port, report(3)) == HTTPStatus.NO_CONTENT
    assert reported.of(URL) == reported.of("http+unix://%2Fother") == AnswerCounts()


def test_other_bodies_paths_types_and_hosts_are_refused(port: str, reported: ReportedAnswers) -> None:
    assert post(port, b"{}") == HTTPStatus.BAD_REQUEST
    assert post(port, b"x" * (LONGEST + 1)) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert post(port, report(3), "/live") == HTTPStatus.NOT_FOUND
    assert post(port, report(3), **{"Content-Type": "text/plain"}) == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert post(port, report(3), Host="evil.example") == HTTPStatus.MISDIRECTED_REQUEST
    assert reported.of(URL) == AnswerCounts()


def test_the_number_of_clients_is_limited(reported: ReportedAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_CLIENTS", 2)
    assert [reported.take(report(1, client)) for client in "abca"] == [
        HTTPStatus.NO_CONTENT, HTTPStatus.NO_CONTENT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.NO_CONTENT,
    ]  # fmt: skip
