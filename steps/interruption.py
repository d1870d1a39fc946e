"""Ctrl-C in a step: what it was doing ends in order, within ten seconds, and without a trace."""

import os
import signal
import threading
from types import FrameType

EXIT_CODE = 128 + signal.SIGINT  # as shells have it
GRACE_S = 10.0


def end_in_order() -> None:
    """For this process, unless it was started to be left alone by Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait
    # `mlflow run` sends it a moment later, which would cut short what closes the run
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # threads that wait for the database would be waited for
    cut = threading.Timer(GRACE_S, os._exit, (EXIT_CODE,))
    cut.daemon = True
    cut.start()
    raise KeyboardInterrupt
