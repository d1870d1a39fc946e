"""Waiting in tests: polls a condition until it is true or the time limit ends."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 5.0, pause: float = 0.01) -> T:
    """Returns the condition's first true value. Fails the test after `seconds`, or at once by an assertion in it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still not true after {seconds:g} s"
        time.sleep(pause)
    return value


def answers(url: str) -> bool:
    """Whether a GET succeeds; False while the port is closed."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
