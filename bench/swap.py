"""make bench-swap: promotions and rollbacks under a steady load, then broken versions. Prints the figures."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

from bench import report
from bench.checker import Checker, CheckResult
from bench.load import loops
from bench.load.recording import Recording
from bench.scenarios import MOST_CONNECTIONS
from bench.testbed import candidates
from bench.testbed.candidates import BrokenVersion
from bench.testbed.testbed import Testbed, open_testbed
from steps import rollback
from steps.runs.entry_points import arguments

RATE = 100.0
AROUND_S, LIVE_TIMEOUT_S, POLL_S = 2.0, 60.0, 0.1
START_TIMEOUT_S = "15"  # the watcher's time limit for a version that never becomes healthy
LIMIT_S = 15.0
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Swap:
    """One promotion or rollback."""

    called: float
    """time.monotonic() of the command"""
    version: str
    """The version that is to serve"""


@dataclass(frozen=True)
class SwapResult:
    recording: Recording
    check: CheckResult
    swaps: list[Swap]

    @property
    def failed(self) -> int:
        return int((~self.recording.ok).sum())

    def seconds_to_first_answer(self) -> list[float]:
        """Per swap, from the command to the first answer by the new version."""
        versions = versions_of(self.recording)
        delays = []
        for swap in self.swaps:
            done = self.recording.done[(versions == swap.version) & (self.recording.done > swap.called)]
            delays.append(float(done.min(initial=np.inf)) - swap.called)
        return delays


def main(data: Path, state: str, swaps: int) -> None:
    report.say(report.machine())
    checker = Checker()
    with (
        mock.patch.dict(os.environ, {"ROLLOUT_START_TIMEOUT_S": START_TIMEOUT_S}),
        open_testbed(data, state) as testbed,
    ):
        first = str(testbed.live()["serving"]["version"])
        second = candidates.valid_version("churn_v2", "hist_gradient_boosting", trees=150)
        report.say(f"  Version {first} serves; version {second} is promoted and rolled back")
        print_swaps(alternate(testbed, checker, first, second, swaps))
        for broken in candidates.broken_versions():
            print_broken(broken, *promote_broken(testbed, checker, broken))


def alternate(testbed: Testbed, checker: Checker, first: str, second: str, count: int) -> SwapResult:
    """`count` promotions of the second version, each followed by a rollback to the first, under 100 requests/s."""
    swaps = []
    with loops.start(testbed.target(), RATE, LONGEST_S, MOST_CONNECTIONS, 1) as running:
        time.sleep(AROUND_S)
        for nth in range(count):
            swaps.append(swap_to(testbed, second, lambda: candidates.promote(second)))
            swaps.append(swap_to(testbed, first, lambda: rollback.main(arguments("rollback", {"version": first}))))
            report.say(f"  {nth + 1}/{count} promotions and rollbacks")
        running.end_in(AROUND_S)
        recording = running.result()
    return SwapResult(recording, checker.check(recording, testbed.users), swaps)


def swap_to(testbed: Testbed, version: str, command: Callable[[], object]) -> Swap:
    """Runs the command, waits until the watcher has switched to the version, then lets requests reach it."""
    swap = Swap(time.monotonic(), version)
    command()
    wait_for(lambda: (testbed.live()["serving"] or {}).get("version") == version, f"version {version} to serve")
    time.sleep(AROUND_S)
    return swap


def promote_broken(
    testbed: Testbed, checker: Checker, broken: BrokenVersion
) -> tuple[str, Recording, CheckResult, str]:
    """Promotes a broken version under load, waits until the watcher reports a problem, promotes the good one again.

    Returns the broken version's number, all answers, their check, and the watcher's reason.
    """
    good = str(testbed.live()["serving"]["version"])
    number = broken.make()
    with loops.start(testbed.target(), RATE, LONGEST_S, MOST_CONNECTIONS, 1) as running:
        time.sleep(AROUND_S)
        candidates.promote(number)
        wait_for(lambda: f"ersion {number}" in (testbed.live()["problem"] or ""), f"a problem with version {number}")
        reason = str(testbed.live()["problem"])
        time.sleep(AROUND_S)
        candidates.promote(good)
        wait_for(lambda: not testbed.live()["problem"], f"version {good} to serve without a problem")
        running.end_in(AROUND_S)
        recording = running.result()
    return number, recording, checker.check(recording, testbed.users), reason


def wait_for(condition: Callable[[], bool], description: str) -> None:
    """Raises TimeoutError after LIVE_TIMEOUT_S."""
    deadline = time.monotonic() + LIVE_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {LIVE_TIMEOUT_S:g} s for {description}")
        time.sleep(POLL_S)


def versions_of(recording: Recording) -> "np.ndarray[tuple[int], np.dtype[np.str_]]":
    """Per request, the version that answered; '' without a prediction."""
    by_answer = [_version(answer) for answer in recording.answers]
    by_request = np.array(by_answer or [""])[recording.answer]
    return np.where(recording.ok, by_request, "")


def _version(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["model"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""  # an error's body


def print_swaps(result: SwapResult) -> None:
    delays, recording = result.seconds_to_first_answer(), result.recording
    report.say(
        f"[{'OK' if not result.failed and not result.check.wrong else 'FAILED'}] {len(result.swaps)} promotions and "
        f"rollbacks under {RATE:g} requests/s: {result.check}; not answered 200: {result.failed} "
        f"{recording.codes() or ''}\n"
        f"  command to first answer by the new version: median {median(delays):.1f} s, "
        f"maximum {max(delays):.1f} s (limit {LIMIT_S:g} s)\n"
        f"  latency p50 {recording.percentile_ms(50):.1f} ms, p99 {recording.percentile_ms(99):.1f} ms"
    )


def print_broken(broken: BrokenVersion, version: str, recording: Recording, check: CheckResult, reason: str) -> None:
    failed, by_broken = int((~recording.ok).sum()), int((versions_of(recording) == version).sum())
    passed = not (failed or by_broken or check.wrong)
    report.say(
        f"[{'OK' if passed else 'FAILED'}] {broken.name} (version {version}): {check}; not answered 200: {failed} "
        f"{recording.codes() or ''}; answered by the broken version: {by_broken}\n  the watcher's problem: {reason}"
    )
