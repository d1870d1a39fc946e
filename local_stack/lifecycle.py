"""One stack per state folder, closed to other users, interruptible by signals; prints how long each step takes."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from local_stack.settings import Settings, StackError

ACCESS_OF_OTHERS = 0o077


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
def private_files(settings: Settings) -> Iterator[None]:
    """Customers' data is for its owner alone: that of earlier starts, and what the stack's processes write from now on,
    whatever the umask of the shell."""
    before = os.umask(ACCESS_OF_OTHERS)
    try:
        for folder in data_folders(settings):
            folder.mkdir(parents=True, exist_ok=True)
            close_to_others(folder)
        yield
    finally:
        os.umask(before)


def data_folders(settings: Settings) -> list[Path]:
    """Those below the state folder: a lake elsewhere may be meant for others, such as Spark's workers."""
    lake = Path(settings.exported()["STREAMFLOW_LAKE"])
    folders = [settings.artifacts, settings.state / "logs", settings.state / "rollout"]
    return [lake, *folders] if lake.is_relative_to(settings.state) else folders


def close_to_others(folder: Path) -> None:
    for path, _folders, files in os.walk(folder):
        for name in ("", *files):
            entry = Path(path, name)
            with suppress(FileNotFoundError, PermissionError):  # it is gone, or another user's
                mode = entry.lstat().st_mode
                if mode & ACCESS_OF_OTHERS and not entry.is_symlink():
                    entry.chmod(mode & 0o7777 & ~ACCESS_OF_OTHERS)


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
