"""python -m deploy.containers.decision_requests: carries out what people ask for on the console's page.

Looks for open requests and runs the step `approve` for them. SIGTERM ends it after the step in progress. A request that
stays open, because the gate now refuses the version or a server is down, is tried again later and not at every look.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local_stack.settings import ROOT
from steps.cli.errors import StepError
from steps.registry import approvals
from steps.warehouse import RecordedRequest

LOOKED = Path("/tmp/looked")  # noqa: S108 - the container's own; its health check reads the age
LOOK_S, AGAIN_S = 15.0, 3600.0
APPROVE = ("-m", "steps.approve", "--version=", "--by=", "--refuse=false", "--pending=true")
LONGEST_S = 1800.0


class Tried:
    """When each request was tried last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: dict[RecordedRequest, float] = {}

    def due(self, requests: list[RecordedRequest]) -> bool:
        """Whether one of them is new, or was tried long ago; all of them count as tried then."""
        now = self._clock()
        is_due = any(now - self._at.get(request, -AGAIN_S) >= AGAIN_S for request in requests)
        self._at = {request: now if is_due else self._at[request] for request in requests}
        return is_due


def main() -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    run(stopped)


def run(stopped: threading.Event) -> None:
    tried = Tried()
    while not stopped.is_set():
        try:
            look(tried)
        except StepError as error:
            print(f"[WARNING] {error}. The next look at the requests is in {LOOK_S:g} s", file=sys.stderr, flush=True)
        LOOKED.touch()
        stopped.wait(LOOK_S)


def look(tried: Tried) -> None:
    """Raises StepError where a server does not answer."""
    if not tried.due(approvals.open_requests()):
        return
    try:
        done = subprocess.run([sys.executable, *APPROVE], cwd=ROOT, timeout=LONGEST_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        print(f"[ERROR] {error}", file=sys.stderr, flush=True)
        return
    if done.returncode:
        print(f"[WARNING] What is still open is tried again in {AGAIN_S:g} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
