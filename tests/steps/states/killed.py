"""Steps as processes that get stuck in a lock, and are killed there.

They are forked from a process that has loaded the steps and done nothing else: a fresh Python would spend seconds on
imports, which are not what is tested here.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from local_stack.settings import ROOT, Settings
from tests.steps.states.database import fetch
from tests.waiting import wait_until

PATIENCE_S = 60
STUCK = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["tests.steps.states.loaded"])


class Step:
    """`python -m steps.NAME …` in the project's folder, leader of a session of its own."""

    def __init__(self, environment: Mapping[str, str], command: tuple[str, ...]) -> None:
        number, name = tempfile.mkstemp(prefix="step-")
        os.close(number)
        self._out = Path(name)
        self._process = LOADED.Process(target=run, args=(dict(environment), command, name))
        self._process.start()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def communicate(self, timeout: float = PATIENCE_S) -> tuple[str, None]:
        """What it wrote on both of its streams, once it has ended."""
        self._process.join(timeout)
        assert self.returncode is not None, f"still running after {timeout:g} s"
        output = self._out.read_text()
        self._out.unlink()
        return output, None


def run(environment: Mapping[str, str], command: tuple[str, ...], out: str) -> None:
    """In the forked process."""
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the environment says where
    with Path(out).open("w") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    sys.argv = list(command)
    sys.modules.pop(command[0], None)  # it is run as the program, not as a module that was loaded before
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


@contextmanager
def held(statement: str) -> Iterator[None]:
    """Locks of an open transaction, in which another one gets stuck."""
    connection = psycopg.connect("")
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        yield
    finally:
        connection.close()


def wait_until_stuck(process: Step) -> None:
    def is_stuck() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool(fetch(STUCK))

    wait_until(is_stuck, PATIENCE_S)


def start(server: Settings, *command: str) -> Step:
    return Step(server.child_environment(), command)


def kill(process: Step) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
