"""The load generator tells the truth: every request once, from its intended time, whatever the server does."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.load import loops
from bench.load.loops import Target
from bench.load.recording import Recorder
from tests.bench.servers import Answer, server

USERS = [f"user-{nth}" for nth in range(50)]
BODIES = [json.dumps({"user_id": user}).encode() for user in USERS]


def echo(asked: dict[str, Any]) -> Answer:
    return 200, {"user_id": asked["user_id"]}, {}


def slow(seconds: float) -> Callable[[dict[str, Any]], Answer]:
    def answer(asked: dict[str, Any]) -> Answer:
        time.sleep(seconds)
        return echo(asked)

    return answer


def aimed_at(port: int, patience_s: float = 2.0) -> Target:
    return Target(port, BODIES, patience_s)


def test_a_closed_loop_asks_for_all_users_and_keeps_every_answer() -> None:
    with server(echo) as port:
        recording = loops.drive(loops.closed, aimed_at(port), 4, 0.4, 1)
    assert recording.ok.all()
    assert len(recording) > 50
    told = [json.loads(recording.answers[place])["user_id"] for place in recording.answer]
    assert told == [USERS[place] for place in recording.user]
    assert len(recording.answers) == len(set(told)) > 20


def test_a_closed_loop_keeps_as_many_requests_under_way_as_it_has_connections() -> None:
    under_way, most = [0], [0]
    lock = threading.Lock()

    def counted(asked: dict[str, Any]) -> Answer:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        return echo(asked)

    with server(counted) as port:
        loops.drive(loops.closed, aimed_at(port), 3, 0.5, 1)
    assert most[0] == 3


def test_clients_of_a_closed_loop_begin_one_after_the_other_within_the_ramp() -> None:
    with server(slow(1.0)) as port:
        recording = loops.drive(loops.closed, aimed_at(port), 20, 0.1, 1, 0.5)
    assert len(recording) == 20
    assert np.allclose(np.sort(recording.due) - recording.due.min(), np.arange(20) * 0.025, atol=0.1)


def test_an_open_loop_sends_by_the_clock_however_slow_the_server() -> None:
    with server(slow(0.1)) as port:
        recording = loops.drive(loops.opened, aimed_at(port), 100.0, 1.0, 30, 1)
    assert len(recording) == 100
    assert np.allclose(np.diff(np.sort(recording.due)), 0.01)
    assert recording.ok.all()


def test_latency_counts_from_when_a_request_was_to_leave() -> None:
    with server(slow(0.05)) as port:
        # one connection manages 20 a second; the last of 20 requests at 40 a second waits for about half a second
        recording = loops.drive(loops.opened, aimed_at(port), 40.0, 0.5, 1, 1)
    assert recording.latency_ms.max() > 350
    assert (recording.sent - recording.due).max() > 0.3


def test_a_request_that_is_not_answered_in_time_counts_as_unanswered() -> None:
    with server(slow(0.5)) as port:
        recording = loops.drive(loops.opened, aimed_at(port, patience_s=0.2), 20.0, 0.3, 10, 1)
    assert recording.codes() == {"no answer (time limit)": 6}


def test_a_broken_connection_counts_as_unanswered_and_the_next_request_gets_a_new_one() -> None:
    calls = [0]

    def every_third_breaks(asked: dict[str, Any]) -> Answer:
        calls[0] += 1
        return echo(asked) if calls[0] % 3 else (0, {}, {})

    with server(every_third_breaks) as port:
        recording = loops.drive(loops.opened, aimed_at(port), 60.0, 0.5, 1, 1)
    assert recording.codes() == {"no answer (ConnectionResetError)": 10}
    assert recording.ok.sum() == 20


def test_nobody_listening_is_an_unanswered_request_too() -> None:
    with server(echo) as port:
        pass
    recording = loops.drive(loops.opened, aimed_at(port), 20.0, 0.2, 4, 1)
    assert recording.codes() == {"no answer (ConnectionRefusedError)": 4}


def test_errors_are_counted_by_their_code_with_the_wait_they_ask_for() -> None:
    def refuse(asked: dict[str, Any]) -> Answer:
        if asked["user_id"] == USERS[0]:
            return 500, {"error": "no code"}, {}
        return 503, {"code": "overloaded", "request_id": str(time.monotonic_ns())}, {"Retry-After": "1"}

    with server(refuse) as port:
        recording = loops.drive(loops.closed, aimed_at(port), 2, 0.4, 1)
    assert set(recording.codes()) == {"503 overloaded", "500 without a code"}
    assert len(recording.answers) == 2
    refused = recording.status == 503
    assert (recording.retry_after[refused] == 1).all()
    assert (recording.named_errors() == refused).all()


def test_the_rate_is_that_of_right_answers_from_the_first_start_to_the_last_end() -> None:
    recorder = Recorder()
    for nth in range(21):
        status = 503 if nth % 2 else 200
        recorder.add(nth, due=0.1 * nth, sent=0.1 * nth, done=0.1 * nth + 0.2, reply=(status, b"{}", None))
    recording = recorder.recording(2.1)
    assert recording.rate() == pytest.approx(11 / 2.2)
    assert recording.percentile_ms(50) == pytest.approx(200)
    assert len(recording.between(0.95, 1.55)) == 6
