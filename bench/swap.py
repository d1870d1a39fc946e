"""make bench-swap: promotions and rollbacks in turn under a steady load, then broken versions; prints the figures."""

import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

from bench import report
from bench.checker import Checker, Verdict
from bench.load import loops
from bench.load.recording import Recording
from bench.scenarios import MOST_CONNECTIONS
from bench.testbed import candidates
from bench.testbed.candidates import Broken
from bench.testbed.testbed import Ground, standing
from steps import rollback
from steps.runs.entry_points import arguments

RATE = 100.0
AROUND_S, LIVE_TIMEOUT_S, POLL_S = 2.0, 60.0, 0.1
START_TIMEOUT_S = "15"  # how long the watcher waits for a version that never becomes healthy
LIMIT_S = 15.0
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Turn:
    """One promotion or rollback: when it was called for, and to which version."""

    called: float
    version: str


@dataclass(frozen=True)
class Swapped:
    recording: Recording
    verdict: Verdict
    turns: list[Turn]

    @property
    def lost(self) -> int:
        return int((~self.recording.ok).sum())

    def seconds_to_first_answer(self) -> list[float]:
        """Per turn, from the call to the first answer by the version it called for."""
        by = versions_of(self.recording)
        waits = []
        for turn in self.turns:
            done = self.recording.done[(by == turn.version) & (self.recording.done > turn.called)]
            waits.append(float(done.min(initial=np.inf)) - turn.called)
        return waits


def main(data: Path, state: str, swaps: int) -> None:
    # the stage is what serving goes by, whatever replaces it one day
    warnings.filterwarnings("ignore", message=r".*transition_model_version_stage.*deprecated", category=FutureWarning)
    report.say(report.machine())
    checker = Checker()
    with mock.patch.dict(os.environ, {"ROLLOUT_START_TIMEOUT_S": START_TIMEOUT_S}), standing(data, state) as ground:
        first = str(ground.live()["serving"]["version"])
        second = candidates.right("churn_v2", "hist_gradient_boosting", trees=150)
        report.say(f"  version {first} serves; version {second} takes turns with it")
        say_swaps(turn_about(ground, checker, first, second, swaps))
        for each in candidates.broken():
            say_broken(each, *refuse(ground, checker, each))


def turn_about(ground: Ground, checker: Checker, first: str, second: str, swaps: int) -> Swapped:
    """`swaps` promotions of the second version and as many rollbacks to the first, under 100 requests a second."""
    turns = []
    with loops.start(ground.target(), RATE, LONGEST_S, MOST_CONNECTIONS, 1) as running:
        time.sleep(AROUND_S)
        for nth in range(swaps):
            turns.append(turned(ground, second, lambda: candidates.promote(second)))
            turns.append(turned(ground, first, lambda: rollback.main(arguments("rollback", {"version": first}))))
            report.say(f"  {nth + 1}/{swaps} promotions and rollbacks")
        running.end_in(AROUND_S)
        recording = running.result()
    return Swapped(recording, checker.check(recording, ground.users), turns)


def turned(ground: Ground, version: str, call: Callable[[], object]) -> Turn:
    """Calls, and waits until the watcher has turned to the version and requests have met it."""
    turn = Turn(time.monotonic(), version)
    call()
    wait_for(lambda: (ground.live()["serving"] or {}).get("version") == version, f"version {version} to serve")
    time.sleep(AROUND_S)
    return turn


def refuse(ground: Ground, checker: Checker, each: Broken) -> tuple[str, Recording, Verdict, str]:
    """Promotes a broken version under load, waits until the watcher says what is wrong, puts the good one back.

    Returns the broken version, all that was answered meanwhile, and the watcher's reason.
    """
    good = str(ground.live()["serving"]["version"])
    wrong = each.make()
    with loops.start(ground.target(), RATE, LONGEST_S, MOST_CONNECTIONS, 1) as running:
        time.sleep(AROUND_S)
        candidates.promote(wrong)
        wait_for(lambda: f"ersion {wrong}" in (ground.live()["problem"] or ""), f"a word on version {wrong}")
        reason = str(ground.live()["problem"])
        time.sleep(AROUND_S)
        candidates.promote(good)
        wait_for(lambda: not ground.live()["problem"], "the good version to be wanted again")
        running.end_in(AROUND_S)
        recording = running.result()
    return wrong, recording, checker.check(recording, ground.users), reason


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + LIVE_TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {LIVE_TIMEOUT_S:g} s for {what}")
        time.sleep(POLL_S)


def versions_of(recording: Recording) -> "np.ndarray[tuple[int], np.dtype[np.str_]]":
    """Per request, the version that answered; '' where none did."""
    named = [_version(answer) for answer in recording.answers]
    found = np.array(named or [""])[recording.answer]
    return np.where(recording.ok, found, "")


def _version(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["model"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""  # an error's body


def say_swaps(swapped: Swapped) -> None:
    waits, recording = swapped.seconds_to_first_answer(), swapped.recording
    report.say(
        f"[{'OK' if not swapped.lost and not swapped.verdict.wrong else 'FAILED'}] {len(swapped.turns)} turns under "
        f"{RATE:g} requests/s: {swapped.verdict}; not answered 200: {swapped.lost} {recording.codes() or ''}\n"
        f"  call to first answer by the new version: median {median(waits):.1f} s, "
        f"most {max(waits):.1f} s (limit {LIMIT_S:g} s)\n"
        f"  latency p50 {recording.percentile_ms(50):.1f} ms, p99 {recording.percentile_ms(99):.1f} ms"
    )


def say_broken(each: Broken, version: str, recording: Recording, verdict: Verdict, reason: str) -> None:
    lost, by_it = int((~recording.ok).sum()), int((versions_of(recording) == version).sum())
    fine = not (lost or by_it or verdict.wrong)
    report.say(
        f"[{'OK' if fine else 'FAILED'}] {each.name} (version {version}): {verdict}; not answered 200: {lost} "
        f"{recording.codes() or ''}; by the broken one: {by_it}\n  the watcher: {reason}"
    )
