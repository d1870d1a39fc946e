"""After repeated failures calls fail at once, one call at a time is tried, and a success closes the breaker."""

import pytest

from feature_enricher.errors.upstream import ModelCircuitOpen, ModelRejected, ModelUnavailable
from feature_enricher.upstream.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(lambda: ModelCircuitOpen("open"), failures=2, pause_s=1.0, clock=clock)


def call(breaker: Breaker, error: Exception | None = None) -> None:
    with breaker.guard():
        if error:
            raise error


def fail(breaker: Breaker, times: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(ModelUnavailable):
            call(breaker, ModelUnavailable("gone"))


def test_a_success_resets_the_count_of_failures(breaker: Breaker) -> None:
    fail(breaker, 1)
    call(breaker)
    fail(breaker, 1)

    assert breaker.state == "closed"


def test_several_failures_in_a_row_open_it_and_calls_are_not_made(breaker: Breaker) -> None:
    fail(breaker)

    with pytest.raises(ModelCircuitOpen):
        call(breaker, AssertionError("was called"))

    assert breaker.state == "open"


def test_after_the_pause_one_call_passes_and_others_fail_at_once(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now = 1.0

    assert breaker.state == "half_open"
    with breaker.guard(), pytest.raises(ModelCircuitOpen):
        call(breaker)

    assert breaker.state == "closed"
    call(breaker)


def test_a_failed_trial_starts_another_pause(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now = 1.0
    fail(breaker, 1)

    clock.now = 1.9
    with pytest.raises(ModelCircuitOpen):
        call(breaker)
    clock.now = 2.0
    call(breaker)
    assert breaker.state == "closed"


def test_refused_rows_do_not_count_as_failures(breaker: Breaker) -> None:
    for _ in range(3):
        with pytest.raises(ModelRejected):
            call(breaker, ModelRejected("400"))

    assert breaker.state == "closed"


def test_after_an_unrelated_error_the_next_call_is_the_trial(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now = 1.0
    with pytest.raises(KeyError):
        call(breaker, KeyError())

    call(breaker)

    assert breaker.state == "closed"
