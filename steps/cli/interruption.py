"""Ctrl-C in a step: it shuts down in order, within ten seconds, and without a traceback."""

import os
import signal
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType

EXIT_CODE = 128 + signal.SIGINT  # the shells' convention
GRACE_S = 10.0


def install(last_lines: Sequence[str]) -> None:
    """Handles Ctrl-C in this process, unless its parent set it to be ignored.

    last_lines: lines to print where the process must be cut off.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, partial(_interrupt, last_lines))


def _interrupt(last_lines: Sequence[str], _number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait
    # `mlflow run` sends it a moment later, before the run is closed
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # the interpreter would wait for threads that wait for the database
    timer = threading.Timer(GRACE_S, _cut_off, (last_lines,))
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt


def _cut_off(last_lines: Sequence[str]) -> None:
    os.write(2, "".join(f"{line}\n" for line in last_lines).encode())
    os._exit(EXIT_CODE)
