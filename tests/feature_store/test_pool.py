"""Connections that are made, used and closed within a deadline."""

import threading
import time

import pytest

from feature_store.deadline import Deadline
from feature_store.pool import DeadlinePool, OnlineReadTimeout


class Connection:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_a_connection_that_takes_too_long_is_an_error_at_the_deadline_and_closed_when_it_is_made() -> None:
    """As a resolver of host names that does not answer: it ignores the deadline."""
    connection, resolved = Connection(), threading.Event()

    def connect(_deadline: Deadline) -> Connection:
        resolved.wait()
        return connection

    pool, began = DeadlinePool(connect, 1), time.monotonic()
    with pytest.raises(OnlineReadTimeout, match="No connection could be made by the deadline"):
        pool.run(lambda _connection: None, Deadline.after(0.2))
    assert 0.2 <= time.monotonic() - began < 1
    assert not connection.closed.is_set()
    resolved.set()
    assert connection.closed.wait(5)


def test_a_connection_that_cannot_be_made_later_harms_nobody() -> None:
    refused = threading.Event()

    def connect(_deadline: Deadline) -> Connection:
        refused.wait()
        raise OnlineReadTimeout("too late")

    pool = DeadlinePool(connect, 1)
    for _ in range(2):  # the place of the first is free again
        with pytest.raises(OnlineReadTimeout, match="could be made"):
            pool.run(lambda _connection: None, Deadline.after(0.05))
    refused.set()
