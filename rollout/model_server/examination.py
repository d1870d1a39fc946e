"""The gate for a version that came into the stage without a verdict: the step `examine`, in a process of its own."""

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from rollout import processes
from rollout.errors import Refused
from rollout.settings import step_environment

POLL_S = 0.2

log = logging.getLogger(__name__)


class Examination:
    """pid: of the running step, else None."""

    def __init__(self, version: str, log: Path, command: Sequence[str]) -> None:
        self.command = [*command, "--version", version]
        self._log = log
        self._advice = f"Run: mlflow run . -e examine -P version={version}"
        self.pid: int | None = None

    def run(self, timeout_s: float, raise_if_cancelled: Callable[[], None]) -> None:
        """Returns once the step has succeeded, whatever its verdict; `raise_if_cancelled` is called meanwhile.

        Raises Refused when it fails or takes too long.
        """
        with self._log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=step_environment(),
                start_new_session=True,
            )
        self.pid = process.pid
        deadline = time.monotonic() + timeout_s
        try:
            while process.poll() is None:
                raise_if_cancelled()
                if time.monotonic() > deadline:
                    raise Refused(f"its examination by the gate took longer than {timeout_s:g} s")
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                processes.end(psutil.Process(process.pid))
            process.wait()
            processes.end_session(process.pid)
            self.pid = None
        log.info("%s", self._last_line())
        if process.returncode:
            raise Refused(f"its examination by the gate failed: {self._last_line()}. {self._advice}")

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"
