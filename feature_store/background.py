"""Threads for work that takes seconds or may block without limit. A request can stop waiting for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begin(work: Callable[[], T]) -> "Future[T]":
    """Starts the work in a thread and returns at once. The process may end while it runs."""
    future: Future[T] = Future()
    threading.Thread(target=_run, args=(work, future), daemon=True).start()
    return future


def _run(work: Callable[[], T], future: "Future[T]") -> None:
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - passed on through the future
        future.set_exception(error)
