"""A step as a process that is killed after a while."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from local_stack.settings import ROOT


def kill_after(arguments: list[str], environment: Mapping[str, str], seconds: float) -> bool:
    """True if it was killed, False if it ended before."""
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, *arguments], env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False
