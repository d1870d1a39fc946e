"""Threads of the operating system, for work that waits in C or computes for seconds: in a greenlet it would hold up all
other requests (see worker.py). Where gevent has replaced nothing, as in tests, they are Python's own."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import cache
from typing import TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPoolExecutor

# One that waits on a server that froze is given up after a while, and its place is not free until the server is back.
MOST = 16

Made = TypeVar("Made")


def begin(work: Callable[[], Made]) -> "Future[Made]":
    """Returns at once. The process may end while it runs."""
    if monkey.is_module_patched("threading"):
        begun: Future[Made] = _pool().submit(work)
        return begun
    promised: Future[Made] = Future()
    threading.Thread(target=_run, args=(work, promised), daemon=True).start()
    return promised


@cache
def _pool() -> Executor:
    pool: Executor = ThreadPoolExecutor(MOST)
    return pool


def _run(work: Callable[[], Made], promised: "Future[Made]") -> None:
    try:
        promised.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever waits for it must hear of it
        promised.set_exception(error)
