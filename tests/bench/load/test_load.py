"""The load generator records every request once, from its scheduled time, even when the server is slow or fails."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.load import loops
from bench.load.loops import LoadTarget
from bench.load.recording import Recorder
from tests.bench.servers import Answer, server

USERS = [f"user-{nth}" for nth in range(50)]
BODIES = [json.dumps({"user_id": user}).encode() for user in USERS]


def echo(request: dict[str, Any]) -> Answer:
    return 200, {"user_id": request["user_id"]}, {}


def slow(seconds: float) -> Callable[[dict[str, Any]], Answer]:
    def answer(request: dict[str, Any]) -> Answer:
        time.sleep(seconds)
        return echo(request)

    return answer


def load_target(port: int, patience_s: float = 2.0) -> LoadTarget:
    return LoadTarget(port, BODIES, patience_s)


def test_a_closed_loop_requests_random_users_and_keeps_every_answer() -> None:
    with server(echo) as port:
        recording = loops.drive(loops.closed, load_target(port), 4, 0.4, 1)
    assert recording.ok.all()
    assert len(recording) > 50
    answered = [json.loads(recording.answers[index])["user_id"] for index in recording.answer]
    assert answered == [USERS[index] for index in recording.user]
    assert len(recording.answers) == len(set(answered)) > 20


def test_a_closed_loop_keeps_one_request_in_flight_per_connection() -> None:
    in_flight, most = [0], [0]
    lock = threading.Lock()

    def counted(request: dict[str, Any]) -> Answer:
        with lock:
            in_flight[0] += 1
            most[0] = max(most[0], in_flight[0])
        time.sleep(0.02)
        with lock:
            in_flight[0] -= 1
        return echo(request)

    with server(counted) as port:
        loops.drive(loops.closed, load_target(port), 3, 0.5, 1)
    assert most[0] == 3


def test_clients_of_a_closed_loop_start_one_after_the_other_within_the_ramp() -> None:
    with server(slow(1.0)) as port:
        recording = loops.drive(loops.closed, load_target(port), 20, 0.1, 1, 0.5)
    assert len(recording) == 20
    assert np.allclose(np.sort(recording.due) - recording.due.min(), np.arange(20) * 0.025, atol=0.1)


def test_an_open_loop_sends_by_the_clock_even_to_a_slow_server() -> None:
    with server(slow(0.1)) as port:
        recording = loops.drive(loops.opened, load_target(port), 100.0, 1.0, 30, 1)
    assert len(recording) == 100
    assert np.allclose(np.diff(np.sort(recording.due)), 0.01)
    assert recording.ok.all()


def test_latency_counts_from_the_scheduled_time() -> None:
    with server(slow(0.05)) as port:
        # one connection manages 20 a second; the last of 20 requests at 40 a second waits for about half a second
        recording = loops.drive(loops.opened, load_target(port), 40.0, 0.5, 1, 1)
    assert recording.latency_ms.max() > 350
    assert (recording.sent - recording.due).max() > 0.3


def test_a_request_that_is_not_answered_in_time_counts_as_unanswered() -> None:
    with server(slow(0.5)) as port:
        recording = loops.drive(loops.opened, load_target(port, patience_s=0.2), 20.0, 0.3, 10, 1)
    assert recording.codes() == {"no answer (time limit)": 6}


def test_a_broken_connection_counts_as_unanswered_and_the_next_request_gets_a_new_one() -> None:
    calls = [0]

    def every_third_breaks(request: dict[str, Any]) -> Answer:
        calls[0] += 1
        return echo(request) if calls[0] % 3 else (0, {}, {})

    with server(every_third_breaks) as port:
        recording = loops.drive(loops.opened, load_target(port), 60.0, 0.5, 1, 1)
    assert recording.codes() == {"no answer (ConnectionResetError)": 10}
    assert recording.ok.sum() == 20


def test_a_closed_port_counts_as_unanswered() -> None:
    with server(echo) as port:
        pass
    recording = loops.drive(loops.opened, load_target(port), 20.0, 0.2, 4, 1)
    assert recording.codes() == {"no answer (ConnectionRefusedError)": 4}


def test_errors_are_counted_by_code_and_keep_their_retry_after() -> None:
    def refuse(request: dict[str, Any]) -> Answer:
        if request["user_id"] in USERS[::2]:
            return 500, {"error": "no code"}, {}
        return 503, {"code": "overloaded", "request_id": str(time.monotonic_ns())}, {"Retry-After": "1"}

    with server(refuse) as port:
        recording = loops.drive(loops.closed, load_target(port), 2, 0.4, 1)
    assert set(recording.codes()) == {"503 overloaded", "500 without a code"}
    assert len(recording.answers) == 2
    refused = recording.status == 503
    assert (recording.retry_after[refused] == 1).all()
    assert (recording.named_errors() == refused).all()


def test_the_rate_counts_right_answers_from_the_first_start_to_the_last_end() -> None:
    recorder = Recorder()
    for nth in range(21):
        status = 503 if nth % 2 else 200
        recorder.add(nth, due=0.1 * nth, sent=0.1 * nth, done=0.1 * nth + 0.2, reply=(status, b"{}", None))
    recording = recorder.recording(2.1)
    assert recording.rate() == pytest.approx(11 / 2.2)
    assert recording.percentile_ms(50) == pytest.approx(200)
    assert len(recording.between(0.95, 1.55)) == 6
