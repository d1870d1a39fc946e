"""One stack per state folder, interruptible by signals; prints how long each step takes."""

import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from local_stack.settings import Settings, StackError


class Interrupted(BaseException):
    """SIGINT or SIGTERM: the stack must stop."""


@contextmanager
def timed_step(name: str, detail: str) -> Iterator[None]:
    print(f"  {name:<13} {detail} …", flush=True)
    started = time.monotonic()
    yield
    print(f"  {name:<13} {detail} ready, {time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def only_one(settings: Settings) -> Iterator[TextIO]:
    """Lock the state folder: two stacks would destroy each other's data. Raises StackError if it is locked."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"A stack already runs on {settings.state}. See: make status. Stop it: make down"
            ) from error
        yield lock


@contextmanager
def interruptible() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
