"""Threads for work that waits without a limit or takes seconds: a request that needs it can leave it behind."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Made = TypeVar("Made")


def begin(work: Callable[[], Made]) -> "Future[Made]":
    """Returns at once. The process may end while it runs."""
    promised: Future[Made] = Future()
    threading.Thread(target=_run, args=(work, promised), daemon=True).start()
    return promised


def _run(work: Callable[[], Made], promised: "Future[Made]") -> None:
    try:
        promised.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever waits for it must hear of it
        promised.set_exception(error)
