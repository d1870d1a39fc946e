"""Requests that wait while a batch is in flight are predicted together as the next one."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import MissingFeatures, UnknownUser
from feature_enricher.errors.upstream import ModelUnavailable, Overloaded
from feature_enricher.prediction.batching import PATIENCE_S, Batches
from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline
from tests.waiting import wait_until

Predict = Callable[[Sequence[Item], Deadline], Sequence[Result]]


def no_such_users(items: Sequence[Item], _deadline: Deadline) -> list[Result]:
    """Every user is unknown: the answers differ by user_id."""
    return [UnknownUser(item.user_id, []) for item in items]


class Gate:
    """Holds batches back until it is opened, and remembers them."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[str]] = []
        self.deadlines: list[float] = []

    def __call__(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        self.batches.append([item.user_id for item in items])
        self.deadlines.append(deadline.until)
        self.open.wait(10)
        return no_such_users(items, deadline)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def batches_of() -> Iterator[Callable[..., Batches]]:
    made: list[Batches] = []

    def make(predict: Predict, *, workers: int = 1, largest_batch: int = 4) -> Batches:
        made.append(Batches(predict, workers=workers, largest_batch=largest_batch))
        return made[-1]

    yield make
    for batches in made:
        batches.close()


def items_of(*users: str) -> list[Item]:
    return [Item(user) for user in users]


def names(results: Sequence[Result]) -> list[str]:
    return [result.user_id for result in results if isinstance(result, MissingFeatures)]


def submitted(batches: Batches, function: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()

    def deliver(result: Any, error: Exception | None) -> None:
        future.set_exception(error) if error else future.set_result(result)

    batches.submit(function, deliver)
    return future


def asking(batches: Batches, *users: str, seconds: float = 5.0) -> "Future[list[Result]]":
    deadline = Deadline.after(seconds)
    return submitted(batches, lambda: batches.predict(items_of(*users), deadline))


def test_a_request_alone_leaves_at_once_and_alone(batches_of: Callable[..., Batches], gate: Gate) -> None:
    gate.open.set()

    assert names(asking(batches_of(gate), "a").result(5)) == ["a"]
    assert gate.batches == [["a"]]


def test_requests_that_wait_while_a_batch_is_in_flight_are_predicted_together_and_no_more_than_fit(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    batches = batches_of(gate)
    first = asking(batches, "first")
    wait_until(lambda: gate.batches == [["first"]])
    later = [asking(batches, f"u{number}") for number in range(6)]
    gate.open.set()

    assert [names(future.result(5)) for future in (first, *later)] == [["first"], *([f"u{n}"] for n in range(6))]
    assert gate.batches == [["first"], ["u0", "u1", "u2", "u3"], ["u4", "u5"]]


def test_few_requests_wait_for_the_batch_in_flight_but_not_longer_than_the_patience(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    batches = batches_of(gate, workers=2)
    asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    began = time.monotonic()
    asking(batches, "second")
    wait_until(lambda: len(gate.batches) == 2)

    assert time.monotonic() - began >= PATIENCE_S
    assert gate.batches == [["first"], ["second"]]


def test_many_requests_do_not_wait_for_the_batch_in_flight(batches_of: Callable[..., Batches], gate: Gate) -> None:
    batches = batches_of(gate, workers=2, largest_batch=64)
    asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    with batches._changed:  # so that all are there before a worker looks
        many = [asking(batches, f"u{number}") for number in range(32)]
    wait_until(lambda: len(gate.batches) == 2)

    assert gate.batches[1] == [f"u{number}" for number in range(32)]
    gate.open.set()
    assert [names(future.result(5)) for future in many] == [[f"u{number}"] for number in range(32)]


def test_many_users_of_one_request_go_in_several_batches_and_come_back_in_order(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    gate.open.set()
    users = [f"u{number}" for number in range(11)]

    assert names(asking(batches_of(gate), *users).result(5)) == users
    assert [len(batch) for batch in gate.batches] == [4, 4, 3]


def test_a_batch_has_the_latest_deadline_of_its_requests(batches_of: Callable[..., Batches], gate: Gate) -> None:
    batches = batches_of(gate)
    asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    soon, late = asking(batches, "soon", seconds=1), asking(batches, "late", seconds=100)
    gate.open.set()

    assert names(soon.result(5)) + names(late.result(5)) == ["soon", "late"]
    assert gate.deadlines[1] - time.monotonic() > 50


def test_an_abandoned_request_is_not_started(batches_of: Callable[..., Batches], gate: Gate) -> None:
    batches = batches_of(gate)
    first = asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    begun: list[str] = []
    call = batches.submit(lambda: begun.append("late"), lambda _result, _error: None)
    call.abandoned = True
    next_one = asking(batches, "next")
    gate.open.set()

    assert names(first.result(5)) + names(next_one.result(5)) == ["first", "next"]
    assert (begun, call.started, gate.batches) == ([], False, [["first"], ["next"]])


def test_an_answered_request_leaves_nothing_to_the_garbage_collector(batches_of: Callable[..., Batches]) -> None:
    class Body:
        """Held by a request; not a bytearray, which cannot have weak references."""

    def predict(_body: Body) -> list[Result]:
        return batches.predict(items_of("a"), Deadline.after(5))

    batches, body = batches_of(no_such_users), Body()
    held = weakref.ref(body)
    gc.disable()
    try:
        submitted(batches, partial(predict, body)).result(5)
        del body
        submitted(batches, lambda: None).result(5)  # a worker keeps its last batch until it has the next one
        wait_until(lambda: held() is None)
    finally:
        gc.enable()


def test_requests_without_predictions_and_with_several_rounds_share_a_batch(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    batches = batches_of(gate)
    asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)

    def twice() -> list[str]:
        return [
            *names(batches.predict(items_of("a"), Deadline.after(5))),
            *names(batches.predict(items_of("b"), Deadline.after(5))),
        ]

    none, two, fails = submitted(batches, lambda: "plain"), submitted(batches, twice), submitted(batches, lambda: 1 / 0)
    gate.open.set()

    assert (none.result(5), two.result(5)) == ("plain", ["a", "b"])
    with pytest.raises(ZeroDivisionError):
        fails.result(5)
    assert gate.batches == [["first"], ["a"], ["b"]]


def test_an_error_of_one_user_does_not_fail_its_neighbours(batches_of: Callable[..., Batches]) -> None:
    def picky(items: Sequence[Item], _deadline: Deadline) -> list[Result]:
        return [ModelUnavailable("x") if item.user_id == "bad" else UnknownUser(item.user_id, []) for item in items]

    results = asking(batches_of(picky), "a", "bad", "b").result(5)

    assert [type(result) for result in results] == [UnknownUser, ModelUnavailable, UnknownUser]


@pytest.mark.parametrize(
    ("error", "code"), [(ModelUnavailable("x"), "model_unavailable"), (KeyError(), "internal_error")]
)
def test_an_error_of_the_whole_batch_reaches_all_of_its_users_and_the_next_batch_leaves(
    batches_of: Callable[..., Batches], error: Exception, code: str
) -> None:
    outcomes = iter([error, None])

    def predict(items: Sequence[Item], deadline: Deadline) -> list[Result]:
        if outcome := next(outcomes):
            raise outcome
        return no_such_users(items, deadline)

    batches = batches_of(predict)
    results = asking(batches, "a", "b").result(5)

    assert [result.code for result in results if isinstance(result, EnricherError)] == [code, code]
    assert names(asking(batches, "c").result(5)) == ["c"]


def test_too_few_results_are_a_fault_that_reaches_all(batches_of: Callable[..., Batches]) -> None:
    results = asking(batches_of(lambda items, deadline: no_such_users(items, deadline)[1:]), "a", "b").result(5)

    assert [result.code for result in results if isinstance(result, EnricherError)] == ["internal_error"] * 2


def test_after_close_waiting_requests_are_answered_and_new_ones_refused(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    batches = batches_of(gate)
    first = asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    waiting = asking(batches, "waiting")
    batches.close()

    with pytest.raises(Overloaded, match="stopping"):
        asking(batches, "new")

    gate.open.set()
    assert names(first.result(5)) + names(waiting.result(5)) == ["first", "waiting"]


def test_outside_of_a_batch_predictions_are_made_at_once(batches_of: Callable[..., Batches], gate: Gate) -> None:
    gate.open.set()

    assert names(batches_of(gate).predict(items_of("a"), Deadline.after(5))) == ["a"]


def test_few_clients_that_ask_again_at_once_stay_together(batches_of: Callable[..., Batches]) -> None:
    sizes: list[int] = []

    def slow(items: Sequence[Item], deadline: Deadline) -> list[Result]:
        sizes.append(len(items))
        time.sleep(0.005)
        return no_such_users(items, deadline)

    batches = batches_of(slow, workers=2, largest_batch=256)

    def client() -> None:
        for _ in range(30):
            asking(batches, "u").result(10)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(30)

    settled = sizes[len(sizes) // 4 :]
    assert sum(settled) / len(settled) > 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(max_size=3), max_size=7), max_size=40), st.integers(1, 3), st.integers(1, 9))
def test_every_request_gets_its_own_users_in_order_in_any_batch(
    requests: list[list[str]], workers: int, largest: int
) -> None:
    batches = Batches(no_such_users, workers=workers, largest_batch=largest)
    futures = [asking(batches, *users) for users in requests]

    assert [names(future.result(5)) for future in futures] == requests
    batches.close()


def test_requests_for_many_users_do_not_fill_a_batch_beyond_its_users(
    batches_of: Callable[..., Batches], gate: Gate
) -> None:
    batches = batches_of(gate, largest_batch=4)
    first = asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    many = [asking(batches, *(f"{request}-{user}" for user in range(3))) for request in range(4)]
    gate.open.set()

    assert names(first.result(5)) == ["first"]
    assert [names(future.result(5)) for future in many] == [[f"{n}-{user}" for user in range(3)] for n in range(4)]
    assert [len(batch) for batch in gate.batches[1:]] == [4, 2, 4, 2]


def test_a_deadline_that_others_have_used_up_is_not_held_against_the_store(batches_of: Callable[..., Batches]) -> None:
    batch_sizes: list[int] = []

    def slow(items: Sequence[Item], deadline: Deadline) -> list[Result]:
        batch_sizes.append(len(items))
        time.sleep(0.3)
        return no_such_users(items, deadline)

    results = asking(batches_of(slow), *"abcdefgh", seconds=0.2).result(5)

    assert names(results) == list("abcd")
    assert [result.code for result in results[4:]] == ["deadline_exceeded"] * 4
    assert batch_sizes == [4]
