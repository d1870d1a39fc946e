"""Ctrl-C in a step: one line, exit code 130, its runs KILLED, whatever `mlflow run` sends meanwhile."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from mlflow.tracking import MlflowClient

from local_stack.settings import ROOT, Settings

STEP = """
import time
from steps.cli import console
from steps.runs import tracking
def main():
    with tracking.step_run("history", "outer", {}):
        with tracking.step_run("history", "inner", {}):
            try:
                print("working", flush=True)
                time.sleep(60)
            finally:
                print("ending", flush=True)
console.run(main)
"""
STUCK = """
import threading
from concurrent.futures import ThreadPoolExecutor
from steps.cli import console, interruption
interruption.GRACE_S = 1.0
def wait():
    print("working", flush=True)
    threading.Event().wait(60)
def main():
    with ThreadPoolExecutor() as pool:
        try:
            pool.submit(wait).result()
        finally:
            print("ending", flush=True)
console.run(main)
"""
LEFT_ALONE = """
import time
from steps.cli import console
def main():
    print("working", flush=True)
    time.sleep(1)
console.run(main)
"""


@pytest.fixture(autouse=True)
def ctrl_c_reaches_children() -> Iterator[None]:
    """Also where the tests run in the background, which has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(script: str, *signals: int) -> tuple[int, str, float]:
    """The exit code, the output except the marks, and the seconds since the first signal.

    The second signal is sent when the first has arrived.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    started = 0.0
    for number, mark in zip(signals, ("working\n", "ending\n"), strict=False):
        while process.stdout.readline() != mark:
            assert process.poll() is None
        started = started or time.monotonic()
        process.send_signal(number)
    output, _none = process.communicate(timeout=120)
    return process.returncode, output.replace("ending\n", ""), time.monotonic() - started


def test_it_says_one_line_and_its_runs_are_killed(empty_warehouse: Settings, tracking: str) -> None:
    code, output, _took = interrupted(STEP, signal.SIGINT, signal.SIGTERM)
    assert (code, output) == (130, "[ERROR] Interrupted\n")
    runs = MlflowClient().search_runs([tracking], max_results=2)
    assert {run.info.run_name: run.info.status for run in runs} == {"outer": "KILLED", "inner": "KILLED"}
    notes = {run.info.run_name: run.data.tags["mlflow.note.content"].split("\n")[0] for run in runs}
    assert notes == {"outer": "[ERROR] Interrupted", "inner": "[ERROR] Interrupted"}


def test_below_mlflow_run_which_says_it_the_step_says_nothing(
    empty_warehouse: Settings, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = MlflowClient().create_run(tracking).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    code, output, _took = interrupted(STEP, signal.SIGINT)
    assert (code, output) == (130, "")
    assert MlflowClient().get_run(run_id).info.status == "KILLED"


def test_a_thread_that_waits_is_cut_off_after_a_while() -> None:
    code, output, took = interrupted(STUCK, signal.SIGINT)
    assert (code, output) == (130, "[ERROR] Interrupted\n")
    assert took < 30


def test_a_second_ctrl_c_does_not_wait() -> None:
    script = STUCK.replace("GRACE_S = 1.0", "GRACE_S = 60.0")
    code, _output, took = interrupted(script, signal.SIGINT, signal.SIGINT)
    assert code == -signal.SIGINT
    assert took < 30


def test_what_was_started_to_be_left_alone_by_ctrl_c_is() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code, output, _took = interrupted(LEFT_ALONE, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, output) == (0, "")
