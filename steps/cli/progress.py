"""Progress of a long step, on a terminal only: bars with rows per second, and clocks. A log file gets none of it."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from steps.cli.terminal import for_bars

T = TypeVar("T")

TICK_S = 0.5
Advance = Callable[[int], object]
"""Called with the number of rows just done; from any thread."""


def ignore(_rows: int) -> None:
    """An Advance that shows nothing."""


@contextmanager
def bar(label: str, total: int | None = None) -> Iterator[Advance]:
    """A bar of rows. total: in rows; None where it is not known beforehand."""
    with (
        for_bars() as terminal,
        tqdm(
            total=total, desc=f"  {label}", unit=" rows", unit_scale=True, leave=False, disable=None, file=terminal
        ) as shown,
    ):
        yield shown.update


def track(label: str, total: int, items: Iterable[T]) -> Iterator[T]:
    """The same items, with a bar of how many have been taken."""
    with for_bars() as terminal:
        yield from tqdm(items, total=total, unit=f" {label}", disable=None, leave=False, file=terminal)


@contextmanager
def timed(label: str) -> Iterator[None]:
    """A clock while the block runs; afterwards a line with its duration, in log files too."""
    started, out = time.perf_counter(), sys.stdout
    with clock(label):
        yield
    print(f"  {label}: {time.perf_counter() - started:.1f} s", file=out, flush=True)


@contextmanager
def clock(label: str) -> Iterator[None]:
    """A clock while the block runs, without a line afterwards."""
    ended = threading.Event()
    with (
        for_bars() as terminal,
        tqdm(desc=f"  {label}", bar_format="{desc} {elapsed}", leave=False, disable=None, file=terminal) as shown,
    ):

        def tick() -> None:
            while not ended.wait(TICK_S):
                shown.refresh()

        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            ended.set()
            ticking.join()
