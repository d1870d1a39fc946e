"""Which predictions are read while the batches are busy, and in which order."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from feature_enricher.prediction.batching import Batches
from feature_enricher.server.admission import MOST_AT_ONCE, MOST_READ, QUICK_S, Admission


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set: the batches go on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def busy(released: threading.Event) -> Iterator[Batches]:
    """One batch is in flight, and the next ones are full."""
    batches = Batches(lambda _items, _deadline: [], workers=1, largest_batch=MOST_READ)
    submit(batches, released.wait)
    while batches.queue_length():
        time.sleep(0.001)
    for _ in range(MOST_READ):
        submit(batches, lambda: None)
    yield batches
    batches.close()


@pytest.fixture
def idle() -> Iterator[Batches]:
    batches = Batches(lambda _items, _deadline: [], workers=1, largest_batch=MOST_READ)
    yield batches
    batches.close()


def submit(batches: Batches, function: Callable[[], object]) -> None:
    batches.submit(function, lambda _result, _error: None)


async def wait_for_turn(admission: Admission, number: int, turns: list[int]) -> bool:
    """Whether it was admitted; its body arrives at once."""
    admitted = await admission.admitted()
    if admitted:
        turns.append(number)
        admission.was_read(admitted)
    return bool(admitted)


def test_requests_that_find_the_batches_busy_wait_and_are_admitted_in_their_order(
    busy: Batches, released: threading.Event
) -> None:
    async def scenario() -> tuple[list[int], int, list[int]]:
        admission, turns = Admission(busy, longest_wait_s=30), list[int]()
        waiting = [asyncio.create_task(wait_for_turn(admission, number, turns)) for number in range(3 * MOST_AT_ONCE)]
        await asyncio.sleep(0.05)
        before, unread = list(turns), busy.unread
        released.set()
        await asyncio.gather(*waiting)
        return before, unread, turns

    before, unread, turns = asyncio.run(scenario())

    assert (before, unread) == ([], 3 * MOST_AT_ONCE)
    assert turns == list(range(3 * MOST_AT_ONCE))


def test_a_request_whose_turn_does_not_come_in_time_is_not_admitted(busy: Batches) -> None:
    async def scenario() -> tuple[list[bool], float]:
        admission, began = Admission(busy, longest_wait_s=0.2), time.monotonic()
        admitted = await asyncio.gather(*(wait_for_turn(admission, number, []) for number in range(3 * MOST_AT_ONCE)))
        return admitted, time.monotonic() - began

    admitted, took_s = asyncio.run(scenario())

    assert admitted == [False] * 3 * MOST_AT_ONCE
    assert took_s >= 0.2
    assert busy.unread == 0


def test_bodies_that_do_not_arrive_delay_the_others_only_briefly(idle: Batches) -> None:
    async def scenario() -> tuple[bool, float]:
        admission = Admission(idle, longest_wait_s=30)
        for _ in range(MOST_READ):
            await admission.admitted()  # its body does not arrive
        began = time.monotonic()
        return await wait_for_turn(admission, 0, []), time.monotonic() - began

    admitted, took_s = asyncio.run(scenario())

    assert admitted
    assert QUICK_S / 2 < took_s < 20 * QUICK_S
