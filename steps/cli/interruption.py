"""Ctrl-C in a step: what it was doing ends in order, within ten seconds, and without a trace."""

import os
import signal
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType

EXIT_CODE = 128 + signal.SIGINT  # as shells have it
GRACE_S = 10.0


def end_in_order(last_words: Sequence[str]) -> None:
    """For this process, unless it was started to be left alone by Ctrl-C.

    last_words: lines still to be said, where it has to be cut off.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, partial(_interrupt, last_words))


def _interrupt(last_words: Sequence[str], _number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait
    # `mlflow run` sends it a moment later, which would cut short what closes the run
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # threads that wait for the database would be waited for
    timer = threading.Timer(GRACE_S, _cut_off, (last_words,))
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt


def _cut_off(last_words: Sequence[str]) -> None:
    os.write(2, "".join(f"{line}\n" for line in last_words).encode())
    os._exit(EXIT_CODE)
