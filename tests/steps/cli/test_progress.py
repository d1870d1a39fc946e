"""Progress is shown on a terminal and in no log file."""

import io
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from tqdm import tqdm

from local_stack.settings import Settings
from steps.cli import progress
from steps.month.digest import FILE_NAMES
from tests.conftest import JANUARY


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def instead_of_stderr(stream: io.StringIO, patch: pytest.MonkeyPatch) -> io.StringIO:
    """Called by the test, not a fixture: pytest replaces stderr after the fixtures."""
    patch.setattr(sys, "stderr", stream)
    return stream


def count() -> None:
    with progress.bar("count", total=2000) as advance:
        advance(500)
        time.sleep(0.2)
        advance(1500)


def test_a_bar_shows_rows_and_rows_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = instead_of_stderr(Terminal(), monkeypatch)
    count()
    assert "count: 100%" in terminal.getvalue()
    assert "2.00k/2.00k" in terminal.getvalue()
    assert "rows/s" in terminal.getvalue()


def test_a_part_without_a_count_shows_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = instead_of_stderr(Terminal(), monkeypatch)
    monkeypatch.setattr(progress, "TICK_S", 0.05)
    with progress.timed("join"):
        time.sleep(1.2)
    assert "join 00:00" in terminal.getvalue()
    assert "join 00:01" in terminal.getvalue()


def test_a_log_file_gets_no_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log_file = instead_of_stderr(io.StringIO(), monkeypatch)
    count()
    with progress.timed("join"):
        pass
    assert log_file.getvalue() == ""
    assert capsys.readouterr().out == "  join: 0.0 s\n"


def test_a_load_shows_its_progress(
    monkeypatch: pytest.MonkeyPatch,
    empty_warehouse: Settings,
    sample_months: Path,
    ingest: Callable[[Path, date], None],
) -> None:
    terminal = instead_of_stderr(Terminal(), monkeypatch)
    monkeypatch.setattr(progress, "tqdm", partial(tqdm, mininterval=0))  # a quick load would show its beginning only
    ingest(sample_months / "month_000", JANUARY)
    rows = len(FILE_NAMES) * 300
    assert f"check: {rows / 1000:.2f}k rows" in terminal.getvalue()  # the total is not known before
    assert "load: 100%|" in terminal.getvalue()
    assert f"{rows / 1000:.2f}k/{rows / 1000:.2f}k" in terminal.getvalue()
