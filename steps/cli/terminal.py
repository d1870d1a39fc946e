"""Output for terminals: lines broken between words, and progress bars below all other output."""

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
    """The stream for bars. Inside the block, other output, MLflow's too, is printed above them."""
    terminal = _with_bars[-1] if _with_bars else sys.stderr
    with ExitStack() as stack:
        if not _with_bars and terminal.isatty():
            _with_bars.append(terminal)
            stack.callback(_with_bars.clear)
            above: Any = DummyTqdmFile(terminal)
            stack.enter_context(redirect_stderr(above))
            if sys.stdout.isatty():  # the same terminal; a file needs no redirection
                stack.enter_context(redirect_stdout(above))
        yield terminal


def fitted(text: str, out: TextIO) -> str:
    """The text; for a terminal, with status lines ([OK] …) broken between words, so that run ids stay whole."""
    if not out.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) if line.startswith("[") else line for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
