"""Around the stack: one at a time, an end that leaves nothing behind, and how long things take."""

import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from local_stack.settings import Settings, StackError


class Interrupted(BaseException):
    """SIGINT or SIGTERM: the stack is asked to end."""


@contextmanager
def told(what: str, where: str) -> Iterator[None]:
    print(f"  {what:<13} {where} …", flush=True)
    started = time.monotonic()
    yield
    print(f"  {what:<13} {where} ready, {time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def only_one(settings: Settings) -> Iterator[TextIO]:
    """Two stacks on one state folder would end each other's data."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"A stack runs on {settings.state} already. See: make status; end it with: make down"
            ) from error
        yield lock


@contextmanager
def interruptible() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
