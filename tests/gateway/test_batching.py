"""Requests that arrive while a batch is on its way leave together as the next one; all of it is bounded."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from feature_enricher.batching import Batcher
from feature_enricher.deadline import Deadline
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.parts import DeadlineExceeded, ModelUnavailable, Overloaded
from feature_enricher.errors.requests import MissingFeatures, UnknownUser
from feature_enricher.serving import Item, Result

from ..waiting import wait_until

Answer = Callable[[Sequence[Item], Deadline], Sequence[Result]]


def told(asks: Sequence[Item], _deadline: Deadline) -> list[Result]:
    """Each user gets an answer of its own, told by its user_id."""
    return [UnknownUser(ask.user_id, []) for ask in asks]


class Gate:
    """Holds batches back until it is opened, and remembers them."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, asks: Sequence[Item], deadline: Deadline) -> list[Result]:
        self.batches.append([ask.user_id for ask in asks])
        self.open.wait(10)
        return told(asks, deadline)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def batcher(answer: Answer, *, lanes: int = 1, largest_batch: int = 4, longest_queue: int = 8) -> Batcher:
    return Batcher(answer, lanes=lanes, largest_batch=largest_batch, longest_queue=longest_queue)


def asks(*users: str) -> list[Item]:
    return [Item(user) for user in users]


def names(results: Sequence[Result]) -> list[str]:
    return [result.user_id for result in results if isinstance(result, MissingFeatures)]


class Asking(threading.Thread):
    def __init__(self, batches: Batcher, *users: str, seconds: float = 5.0) -> None:
        super().__init__()
        self.users = users
        self.results: list[Result] = []
        self._batches, self._seconds = batches, seconds
        self.start()

    def run(self) -> None:
        self.results = self._batches.predict(asks(*self.users), Deadline.after(self._seconds))


def test_a_request_alone_leaves_at_once_and_alone() -> None:
    gate = Gate()
    gate.open.set()

    assert names(batcher(gate).predict(asks("a"), Deadline.after(5))) == ["a"]
    assert gate.batches == [["a"]]


def test_what_arrives_while_a_batch_is_on_its_way_leaves_together_and_no_more_than_fit(gate: Gate) -> None:
    batches = batcher(gate)
    first = Asking(batches, "first")
    wait_until(lambda: gate.batches == [["first"]])
    later = []
    for number in range(6):
        later.append(Asking(batches, f"u{number}"))
        wait_until(lambda: batches._users_waiting == len(later))
    gate.open.set()
    for asking in (first, *later):
        asking.join(5)

    assert gate.batches == [["first"], ["u0", "u1", "u2", "u3"], ["u4", "u5"]]
    assert [names(asking.results) for asking in later] == [[f"u{number}"] for number in range(6)]


def test_many_users_of_one_request_go_in_several_batches_and_come_back_in_order() -> None:
    gate = Gate()
    gate.open.set()
    users = [f"u{number}" for number in range(11)]

    assert names(batcher(gate, lanes=2).predict(asks(*users), Deadline.after(5))) == users
    assert sorted(map(len, gate.batches)) == [3, 4, 4]


def test_a_full_queue_refuses_at_once(gate: Gate) -> None:
    batches = batcher(gate, longest_queue=3)
    on_its_way = Asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    waiting = Asking(batches, "a", "b", "c")
    wait_until(lambda: batches._users_waiting == 3)
    began = time.monotonic()

    with pytest.raises(Overloaded, match="3 users are waiting") as caught:
        batches.predict(asks("d"), Deadline.after(5))

    assert time.monotonic() - began < 0.5
    assert caught.value.headers == {"Retry-After": "1"}
    gate.open.set()
    on_its_way.join(5)
    waiting.join(5)
    assert names(batches.predict(asks("d"), Deadline.after(5))) == ["d"]


def test_an_answer_that_is_late_is_a_named_error_at_the_deadline(gate: Gate) -> None:
    began = time.monotonic()

    [result] = batcher(gate).predict(asks("a"), Deadline.after(0.2))

    assert isinstance(result, DeadlineExceeded)
    assert 0.2 <= time.monotonic() - began < 1


def test_who_waited_too_long_is_not_looked_up_any_more(gate: Gate) -> None:
    batches = batcher(gate)
    first = Asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    late = Asking(batches, "late", seconds=0.05)
    late.join(5)
    gate.open.set()
    first.join(5)

    assert isinstance(late.results[0], DeadlineExceeded)
    assert names(batches.predict(asks("next"), Deadline.after(5))) == ["next"]
    assert gate.batches == [["first"], ["next"]]


def test_an_error_of_one_user_does_not_fail_its_neighbours() -> None:
    def picky(asks: Sequence[Item], _deadline: Deadline) -> list[Result]:
        return [ModelUnavailable("x") if ask.user_id == "bad" else UnknownUser(ask.user_id, []) for ask in asks]

    results = batcher(picky).predict(asks("a", "bad", "b"), Deadline.after(5))

    assert [type(result) for result in results] == [UnknownUser, ModelUnavailable, UnknownUser]


@pytest.mark.parametrize(
    ("error", "code"), [(ModelUnavailable("x"), "model_unavailable"), (KeyError(), "internal_error")]
)
def test_an_error_of_the_whole_batch_reaches_all_of_its_users_and_the_next_batch_leaves(
    error: Exception, code: str
) -> None:
    outcomes = iter([error, None])

    def answer(asks: Sequence[Item], deadline: Deadline) -> list[Result]:
        if outcome := next(outcomes):
            raise outcome
        return told(asks, deadline)

    batches = batcher(answer)
    results = batches.predict(asks("a", "b"), Deadline.after(5))

    assert [result.code for result in results if isinstance(result, EnricherError)] == [code, code]
    assert names(batches.predict(asks("c"), Deadline.after(5))) == ["c"]


def test_an_answer_with_too_few_results_is_a_fault_that_reaches_all(gate: Gate) -> None:
    results = batcher(lambda asks, deadline: told(asks, deadline)[1:]).predict(asks("a", "b"), Deadline.after(5))

    assert [result.code for result in results if isinstance(result, EnricherError)] == ["internal_error"] * 2


def test_after_close_what_waits_is_answered_and_nothing_new_is_taken(gate: Gate) -> None:
    batches = batcher(gate)
    first = Asking(batches, "first")
    wait_until(lambda: len(gate.batches) == 1)
    waiting = Asking(batches, "waiting")
    wait_until(lambda: batches._users_waiting == 1)
    batches.close()

    with pytest.raises(Overloaded, match="stopping"):
        batches.predict(asks("new"), Deadline.after(5))

    gate.open.set()
    first.join(5)
    waiting.join(5)
    assert names(waiting.results) == ["waiting"]


# As in the gateway's process, which computes before it asks: in a process of its own, for gevent's stand-ins cannot be
# taken back. The batches' sizes, without those of the first rounds.
CLIENTS_THAT_ASK_AGAIN_AT_ONCE = """
from gevent import monkey
monkey.patch_all()
import json, sys, time
import gevent
from feature_enricher.batching import Batcher
from feature_enricher.deadline import Deadline
from feature_enricher.serving import Item
from feature_enricher.turns import take_turn

clients, sizes = int(sys.argv[1]), []
def told(asks, deadline):
    sizes.append(len(asks))
    time.sleep(0.005)
    return [None] * len(asks)
batches = Batcher(told, lanes=2, largest_batch=256, longest_queue=1024)
def client():
    for _ in range(30):
        time.sleep(0)
        take_turn()
        until = time.perf_counter() + 0.0003
        while time.perf_counter() < until:
            pass
        batches.predict([Item("u")], Deadline.after(10))
gevent.joinall([gevent.spawn(client) for _ in range(clients)], raise_error=True)
print(json.dumps(sizes[len(sizes) // 4:]))
"""


def sizes_with(clients: int) -> list[int]:
    command = [sys.executable, "-c", CLIENTS_THAT_ASK_AGAIN_AT_ONCE, str(clients)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    sizes: list[int] = json.loads(done.stdout)
    return sizes


def test_many_clients_are_shared_among_the_lanes_so_that_some_are_read_while_others_wait_for_the_model() -> None:
    sizes = sizes_with(64)
    assert 12 < sum(sizes) / len(sizes) < 48  # 64 where nobody is left for the other lane, 3 where nothing gathers


def test_few_clients_are_not_split() -> None:
    sizes = sizes_with(8)
    assert sum(sizes) / len(sizes) > 4
