"""How far a long step is: rows done and rows a second, on a terminal; nothing in a log file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from steps.cli.terminal import for_bars

Advance = Callable[[int], object]
"""Called with the number of rows that were just done; from any thread."""


def unseen(_rows: int) -> None:
    pass


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Advance]:
    with (
        for_bars() as terminal,
        tqdm(
            total=total, desc=f"  {what}", unit=" rows", unit_scale=True, leave=False, disable=None, file=terminal
        ) as shown,
    ):
        yield shown.update
