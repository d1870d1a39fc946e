"""Steps as processes that get stuck in a lock, and are killed there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from local_stack.settings import ROOT, Settings
from tests.steps.states.database import fetch
from tests.waiting import wait_until

PATIENCE_S = 60
STUCK = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


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


def wait_until_stuck(process: "subprocess.Popen[str]") -> None:
    def is_stuck() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool(fetch(STUCK))

    wait_until(is_stuck, PATIENCE_S)


def start(server: Settings, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=server.child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
