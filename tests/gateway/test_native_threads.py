"""Work that blocks runs beside greenlets without holding them up, and beside threads as a thread."""

import subprocess
import sys
import threading
import time

import pytest

from feature_enricher import native_threads

# In a process of its own: gevent's stand-ins cannot be taken back.
BESIDE_GREENLETS = """
from gevent import monkey
blocking_sleep = __import__("time").sleep
monkey.patch_all()
import threading, time
from feature_enricher import native_threads

ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()

def work():
    blocking_sleep(0.5)
    return "done"
began = native_threads.begin(work)
try:
    began.result(0.1)
    raise SystemExit("did not wait")
except TimeoutError:
    pass
assert began.result(5) == "done"
assert len(ticks) > 20, f"{len(ticks)} ticks: greenlets were held up"

def fail():
    raise ValueError("as it was raised")
try:
    native_threads.begin(fail).result(5)
except ValueError as error:
    print(error)
"""


def test_beside_greenlets_it_holds_nobody_up_and_can_be_waited_for_with_a_limit() -> None:
    command = [sys.executable, "-c", BESIDE_GREENLETS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "as it was raised\n"), done.stderr


def test_without_greenlets_it_is_a_thread() -> None:
    assert native_threads.begin(threading.get_ident).result(5) != threading.get_ident()


def test_its_error_reaches_whoever_waits() -> None:
    def fail() -> None:
        raise ValueError("as it was raised")

    with pytest.raises(ValueError, match="as it was raised"):
        native_threads.begin(fail).result(5)


def test_it_returns_at_once() -> None:
    began = time.monotonic()
    native_threads.begin(lambda: time.sleep(0.5))
    assert time.monotonic() - began < 0.4
