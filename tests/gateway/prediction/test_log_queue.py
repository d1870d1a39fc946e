"""The prediction log's queue is bounded in rows and in bytes, whatever clients send."""

import time
import tracemalloc
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from feature_enricher.errors.requests import InvalidRequest
from feature_enricher.prediction import log_queue
from feature_enricher.prediction.log_queue import LogQueue
from feature_enricher.prediction.log_rows import Answered, answered
from feature_enricher.prediction.predictor import Item, Result
from feature_enricher.prediction.values import LONGEST_TEXT
from feature_enricher.upstream.model_server import Prediction
from feature_store.reading import FeatureRow

VIEWS = ("profile", "usage", "payments", "support")


def request(number: int, *, text: str = "Month-to-month") -> Answered:
    """One user with 16 values, four of them texts that came with the request. Shares no value with another."""
    random = Random(number)  # noqa: S311 - values of a test
    texts: dict[str, Any] = {f"text_{nth}": f"{text} {number}" for nth in range(4)}
    values = {**{f"number_{nth}": random.random() for nth in range(12)}, **texts}
    times = {view: datetime.fromtimestamp(1.7e9 + number, UTC) for view in VIEWS}
    row = FeatureRow(values, times, tuple(texts))
    result = Prediction(row, 1, random.random(), "streamflow_churn", "7", f"{number:032x}", "churn_v1")
    return answered(time.time(), f"{number:016x}", [Item(f"user-{number}", texts)], [result], random.random())


@pytest.mark.parametrize("text", ["Month-to-month", "漢" * LONGEST_TEXT])
def test_the_memory_of_what_waits_is_limited(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(log_queue, "MOST_BYTES", 5_000_000)
    queue, numbers = LogQueue(), iter(range(20_000))
    tracemalloc.start()
    try:
        while queue.append(request(next(numbers), text=text)):
            pass
        used, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{used / queue.rows:.0f} bytes for each of {queue.rows} rows")
    assert 0.3 * log_queue.MOST_BYTES < used < log_queue.MOST_BYTES


def test_nothing_of_a_refused_request_is_kept_but_its_users_and_the_code() -> None:
    results: list[Result] = [InvalidRequest("x" * 100_000, ["features"])]
    kept = answered(0.0, "id", [Item("a", {"junk": "x" * 100_000})], results, 1.0)
    assert kept == Answered(0.0, "id", ["a"], ["invalid_request"], 1.0)


def test_rows_are_taken_oldest_first_and_make_room_only_when_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "MOST_ROWS", 3)
    queue = LogQueue()
    requests = [request(number) for number in range(4)]
    assert [queue.append(request) for request in requests] == [True, True, True, False]
    assert queue.oldest(2) == queue.oldest(2) == requests[:2]
    assert not queue.append(requests[3])
    assert queue.remove_oldest(2) == 2
    assert queue.append(requests[3])
    assert queue.oldest(10) == requests[2:]
