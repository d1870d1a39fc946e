"""What only a terminal is shown: lines that break between words, and bars that other lines do not run into."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from tqdm.contrib import DummyTqdmFile

_with_bars: list[TextIO] = []


@contextmanager
def for_bars() -> Iterator[TextIO]:
    """Where bars go. While the block lasts, what anybody prints, MLflow too, goes above them."""
    terminal = _with_bars[-1] if _with_bars else sys.stderr
    with ExitStack() as stack:
        if not _with_bars and terminal.isatty():
            _with_bars.append(terminal)
            stack.callback(_with_bars.clear)
            above: Any = DummyTqdmFile(terminal)
            stack.enter_context(redirect_stderr(above))
            if sys.stdout.isatty():  # the same terminal; a file is written to as ever
                stack.enter_context(redirect_stdout(above))
        yield terminal


def fitted(text: str, out: TextIO) -> str:
    """On a terminal, a status line ([OK] …) breaks between words: a run id or an address stays whole."""
    if not out.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) if line.startswith("[") else line for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
