"""Scenarios of `make chaos`: slow clients beside normal ones, and many clients that ask again at once.

What 64 normal clients get is measured before and after each, and each is compared with the mean of both: other work on
the machine changes its speed within minutes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.checker import Checker
from bench.load import loops
from bench.load.probes import Probe, probing, slowest_ms
from bench.load.recording import UNAVAILABLE, Recording
from bench.load.slow_clients import KINDS, slow_clients
from bench.scenarios import Outcome
from bench.testbed.testbed import DEADLINE_S, GRACE_S, Ground
from feature_enricher.server.run import allow_open_files

NORMAL = 64
SLOW = (400, 1_000)
MANY = (512, 2_000, 5_000)
RAMP_S = 1.0
FILES_BESIDE_CONNECTIONS = 256
# An answer for so many users is larger than the buffers of a slow reader's connection.
USERS_OF_SLOW_READERS = 100
SLOWEST_MS = (DEADLINE_S + GRACE_S) * 1e3


@dataclass(frozen=True)
class Beside:
    """What normal or many clients got, beside what 64 normal ones get otherwise."""

    outcome: Outcome
    probes: list[Probe]
    rate: float
    """Predictions a second"""
    usual_rate: float
    slow_at_work: int = 0
    """Slow clients that were at it in the end"""

    @property
    def share(self) -> float:
        return self.rate / self.usual_rate

    @property
    def slowest_ms(self) -> float:
        """From when a request left: what waits in the load generator is not the gateway's to answer."""
        recording = self.outcome.recording
        return float(((recording.done - recording.sent) * 1e3).max(initial=0.0))

    @property
    def slowest_probe_ms(self) -> float:
        return slowest_ms(self.probes)

    @property
    def badly_refused(self) -> int:
        """Requests that got neither a 200 nor a 503 with Retry-After."""
        recording = self.outcome.recording
        refused = (recording.status == UNAVAILABLE) & ~np.isnan(recording.retry_after)
        return int((~recording.ok & ~refused).sum())


def all_clients(ground: Ground, checker: Checker, seconds: float) -> Iterator[Beside]:
    """First the slow ones, then the many."""
    allow_open_files(max(MANY) + FILES_BESIDE_CONNECTIONS)  # the load's process inherits it
    measures = [partial(beside_slow, kind=kind, count=count) for kind in KINDS for count in SLOW]
    measures += [partial(many, count=count) for count in MANY]
    before = usual_rate(ground, seconds)
    for measure in measures:
        found = measure(ground, checker, seconds)
        after = usual_rate(ground, seconds)
        yield replace(found, usual_rate=(before + after) / 2)
        before = after


def usual_rate(ground: Ground, seconds: float) -> float:
    return rate_of(loops.drive(loops.closed, ground.target(), NORMAL, seconds, 0, RAMP_S), seconds)


def beside_slow(ground: Ground, checker: Checker, seconds: float, *, kind: str, count: int) -> Beside:
    slow_body = json.dumps({"user_ids": ground.users[:USERS_OF_SLOW_READERS]}).encode()
    with slow_clients(replace(ground.target(), bodies=[slow_body]), kind, count) as state:
        found = many(ground, checker, seconds, count=NORMAL)
        at_work, _opened = state()
    outcome = replace(found.outcome, name=f"{NORMAL} beside {count:,} with slow {kind}")
    return replace(found, outcome=outcome, slow_at_work=at_work)


def many(ground: Ground, checker: Checker, seconds: float, *, count: int) -> Beside:
    target = ground.target()
    with probing(target.host, target.port) as probes:
        recording = loops.drive(loops.closed, target, count, seconds, 1, RAMP_S)
    outcome = Outcome(f"{count:,} asking again at once", recording, checker.check(recording, ground.users))
    return Beside(outcome, probes, rate_of(recording, seconds), float("nan"))


def rate_of(recording: Recording, seconds: float) -> float:
    """Right answers a second in the last `seconds` in which clients asked: when all of them had begun."""
    in_time = recording.ok & (recording.done >= recording.until - seconds) & (recording.done < recording.until)
    return float(in_time.sum() / seconds)
