"""The stack's prediction log, compared with the answers that the load generator got."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests

from bench import report
from bench.checker import Offline
from bench.scenarios import Outcome
from bench.testbed.testbed import LIVE_TIMEOUT_S, Testbed
from local_stack.database import prediction_log

STILL_S, LONGEST_S = 3.0, 60.0


@dataclass(frozen=True)
class Logged:
    """One scenario's answers and rows."""

    name: str
    answered: int
    """Users answered with 200"""
    rows: int
    seconds: float
    """Of load"""

    @property
    def lost(self) -> int:
        return max(0, self.answered - self.rows)

    @property
    def lost_s(self) -> float:
        """The lost rows as seconds of the answers' rate."""
        return self.lost * self.seconds / max(self.answered, 1)


HEAD = ("while", "answered 200", "rows", "lost", "goal", "")
LOST_OF_A_KILL_S = 1.0
HOW = """\
Rows of the prediction log after each scenario, compared with the answers 200 that clients got. While PostgreSQL is \
frozen or down, rows wait in the gateway. `kill -9` of all processes of the gateway may cost one second of rows."""


def paragraphs(steady: Logged, faults: Sequence[Logged], killed: Logged, distinct: int, wrong: int) -> list[str]:
    """distinct: rows that were scored again; wrong: those that differ."""
    rows = [row(steady, "0", steady.lost == 0), *(row(fault) for fault in faults)]
    kill = row(killed, f"{LOST_OF_A_KILL_S:g} s", killed.lost_s <= LOST_OF_A_KILL_S)
    kill[3] = f"{killed.lost} ({killed.lost_s:.2f} s)"
    again = f"{distinct:,} distinct rows, scored again by the version that they name: {wrong} differ in a bit."
    return ["## Prediction log", HOW, report.table(HEAD, [*rows, kill]), again]


def row(logged: Logged, goal: str = "", reached: bool | None = None) -> list[str]:
    verdict = "" if reached is None else "reached" if reached else "not reached"
    return [logged.name, f"{logged.answered:,}", f"{logged.rows:,}", f"{logged.lost:,}", goal, verdict]


def logged(testbed: Testbed, run: Callable[[], Outcome]) -> tuple[Outcome, Logged]:
    """Raises TimeoutError unless the gateway has written what it can within LONGEST_S."""
    before = _rows(testbed)
    outcome = run()
    recording = outcome.recording
    seconds = float(recording.due.max() - recording.due.min())
    return outcome, Logged(outcome.name, int(recording.ok.sum()), _rows(testbed) - before, seconds)


def recomputed(testbed: Testbed) -> tuple[int, int]:
    """Scores the values of every distinct row again, offline, by the version that it names. Rows, and how many differ
    in a bit."""
    rows_of: dict[str, list[list[Any]]] = defaultdict(list)
    for version, *row in prediction_log.distinct_predictions(testbed.settings):
        rows_of[version].append(row)
    wrong = 0
    for version, rows in rows_of.items():
        prediction, probability = Offline.load(version).answers([json.loads(values) for values, _class, _share in rows])
        logged_values = np.array([row[1:] for row in rows])
        wrong += int(((logged_values[:, 0] != prediction) | (logged_values[:, 1] != probability)).sum())
    return sum(map(len, rows_of.values())), wrong


def _rows(testbed: Testbed) -> int:
    """The number once it has stood still and no row waits."""
    until = time.monotonic() + LONGEST_S
    before = -1
    while time.monotonic() < until:
        rows = prediction_log.predictions(testbed.settings)
        if rows == before and not _waiting(testbed):
            return rows
        before = rows
        time.sleep(STILL_S)
    raise TimeoutError(f"The prediction log still changes after {LONGEST_S:g} s")


def _waiting(testbed: Testbed) -> bool:
    answer = requests.get(f"{testbed.settings.address('GATEWAY_PORT')}/ready", timeout=LIVE_TIMEOUT_S)
    return any("rows wait" in warning for warning in answer.json()["warnings"])
