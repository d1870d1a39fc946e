"""Waiting in tests: a condition polled until it holds, never for longer than the test allows."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 5.0, pause: float = 0.01) -> T:
    """The condition's first true value. Fails the test after this many seconds; so does an assertion in the condition,
    at once."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still not so after {seconds:g} s"
        time.sleep(pause)
    return value


def answers(url: str) -> bool:
    """Whether a GET is answered with a success; not while the port is closed."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
