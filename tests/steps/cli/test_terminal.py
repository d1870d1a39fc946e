"""A step on a real terminal of 80 columns."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap

from local_stack.settings import ROOT
from steps.cli.terminal import fitted

RUN_ID = "0123456789abcdef0123456789abcdef"


def shown(script: str) -> list[str]:
    """The lines on the terminal at the end."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", textwrap.dedent(script)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    raw = b""
    while chunk := _read(controller):
        raw += chunk
    os.close(controller)
    assert process.wait(30) == 0
    return _screen(raw.decode())


def _screen(output: str) -> list[str]:
    """The lines after carriage returns, line feeds and cursor up; colours stay in the text."""
    lines: dict[int, str] = {}
    row = column = 0
    for part in re.findall(r"\x1b\[A|\x1b\[\d*m|[\r\n]|[^\r\n\x1b]+", output):
        if part == "\r":
            column = 0
        elif part in {"\n", "\x1b[A"}:
            row += 1 if part == "\n" else -1
        else:
            before = lines.get(row, "").ljust(column)
            lines[row] = before[:column] + part + before[column + len(part) :]
            column += len(part)
    return [lines[row].rstrip() for row in sorted(lines)]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # its other end is closed: how Linux says that all was read
        return b""


def test_lines_that_come_while_a_clock_or_a_bar_is_shown_stand_alone() -> None:
    lines = shown("""
        import logging, sys, time
        from steps.cli import console, progress
        progress.TICK_S = 0.02
        class Now:  # as MLflow's handler: whatever stderr is at the moment
            write = staticmethod(lambda text: sys.stderr.write(text))
            flush = staticmethod(lambda: None)
        logging.basicConfig(stream=Now(), format="%(message)s", level=logging.INFO)
        with progress.timed("log the model"), progress.bar("load", 10) as advance:
            time.sleep(0.1)
            advance(5)
            logging.info("INFO of MLflow")
            console.say("a line of controller")
            for number in progress.track("folds", 2, range(2)):
                time.sleep(0.1)
                print("in fold", number)
        console.say("the end")
    """)
    assert [re.sub(r"[\d.]+ s$", "… s", line) for line in lines if line] == [
        "INFO of MLflow", "a line of controller", "in fold 0", "in fold 1", "  log the model: … s", "the end",
    ]  # fmt: skip


def test_a_status_line_breaks_between_words_and_other_lines_stay_as_they_are() -> None:
    line = f"[OK] Trained baseline RF. AUC=0.8307 F1=0.5701 ACC=0.7961 (run_id={RUN_ID})"
    table = "version  run" + " " * 80 + "reason"
    lines = shown(f"""
        from steps.cli import console
        console.say({line!r})
        console.say({table!r})
        console.report_error(ValueError("No training " + "x" * 60 + " {RUN_ID}"))
    """)
    assert lines[:3] == ["[OK] Trained baseline RF. AUC=0.8307 F1=0.5701 ACC=0.7961", f"  (run_id={RUN_ID})", table]
    assert f"  {RUN_ID}\x1b[0m" in lines


def test_a_file_gets_the_line_as_it_is() -> None:
    line = "[OK] " + "word " * 30
    assert fitted(line, io.StringIO()) == line
