"""What the gateway counts of a model server's answers, and what it tells the watcher."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configuration import answer_report
from configuration.answer_report import AnswerCounts
from configuration.model_address import unix_url
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable
from feature_enricher.upstream.answer_counter import AnswerCounter, AnswerReporter
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import ANSWER, FakeServer, reply, running

ROW = FeatureRow({"months_active": 70}, {})
OVERRIDDEN = FeatureRow({"months_active": 70}, {}, ("months_active",))


@pytest.fixture
def watcher() -> Iterator[FakeServer]:
    with running(FakeServer()) as server:
        server.replies = [reply(b"", 204)]
        yield server


def soon() -> Deadline:
    return Deadline.after(10.0)


def counted(rows: list[FeatureRow], error: Exception | None, deadline: Deadline | None = None) -> tuple[int, ...]:
    """Answers, failed answers, calls and failed calls of one call."""
    counter = AnswerCounter()
    try:
        with counter.counted(rows, deadline or soon()):
            if error:
                raise error
    except EnricherError:
        pass
    counts = counter.counts
    return counts.answers, counts.failed, counts.calls, counts.failed_calls


UNANSWERED = ModelUnavailable("no answer")
REFUSED = ModelRejected("status 400")


@pytest.mark.parametrize(
    ("rows", "error", "expected"),
    [
        ([ROW, ROW], None, (2, 0, 1, 0)),
        ([ROW, ROW], UNANSWERED, (2, 2, 1, 1)),
        ([ROW], REFUSED, (1, 1, 1, 1)),
        ([ROW, ROW], REFUSED, (0, 0, 0, 0)),
        ([OVERRIDDEN], REFUSED, (0, 0, 0, 0)),
    ],
)
def test_users_without_a_valid_answer_are_counted_as_failed(
    rows: list[FeatureRow], error: Exception | None, expected: tuple[int, ...]
) -> None:
    assert counted(rows, error) == expected


def test_a_call_that_the_lookup_left_no_time_for_is_not_counted() -> None:
    assert counted([ROW], UNANSWERED, Deadline.after(0.1)) == (0, 0, 0, 0)


def test_calls_that_the_circuit_breaker_refuses_and_pings_are_not_counted(model_server: FakeServer) -> None:
    model_server.replies = [reply({}, 500)]
    client = ModelServerClient(Upstream(model_server.url, 1.0, 1))
    for _ in range(5):
        with pytest.raises(ModelUnavailable):
            client.predict([ROW], soon())
    with pytest.raises(ModelUnavailable):
        client.ping(soon())

    assert client.answers.counts.calls == client.answers.counts.failed == 2, "two failures open the circuit"


def test_the_counts_are_reported_when_they_have_changed(model_server: FakeServer, watcher: FakeServer) -> None:
    model_server.replies = [reply({"predictions": [ANSWER]})]
    client, reporter = (
        ModelServerClient(Upstream(model_server.url, 1.0, 1)),
        AnswerReporter(Upstream(watcher.url, 1.0, 1)),
    )
    for _ in range(2):
        client.predict([ROW], soon())
        for _again in range(2):
            reporter.send("http://model", client.answers)

    reports = [answer_report.parsed(body) for path, body in watcher.seen if path == answer_report.PATH]
    assert [(report.url, report.key, report.counts.answers) for report in reports] == [
        ("http://model", "", 1),
        ("http://model", "", 2),
    ]
    assert {report.client for report in reports} == {client.answers.client}


def test_the_key_is_read_beside_the_socket_of_the_model_server(tmp_path: Path) -> None:
    (tmp_path / answer_report.KEY_FILE).write_text("secret")
    assert answer_report.key_of(unix_url(tmp_path / "v3")) == "secret"
    assert answer_report.key_of("https://model:5010") == ""
    assert answer_report.key_of(unix_url(tmp_path / "gone" / "v3")) == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"url": "u", "client": "c", "key": ""}',
        b'{"url": "u", "client": "c", "key": 1, "counts": {}}',
        b'{"url": "u", "client": "c", "key": "", "counts": {"answers": -1}}',
        b'{"url": "u", "client": "c", "key": "", "counts": {"answers": true}}',
        b'{"url": "u", "client": "c", "key": "", "counts": {"seconds": NaN}}',
        b'{"url": "u", "client": "c", "key": "", "counts": {"more": 1}}',
    ],
)
def test_a_report_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|Expecting"):
        answer_report.parsed(body)


def test_counts_add_up() -> None:
    assert AnswerCounts(1, 2, 3, 4, 0.5) + AnswerCounts(10, 20, 30, 40, 0.25) == AnswerCounts(11, 22, 33, 44, 0.75)
