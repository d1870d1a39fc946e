"""Scenarios of `make chaos`: slow clients beside normal ones, and many clients without pauses between requests.

The rate of 64 normal clients is measured before and after each scenario. The scenario is compared with the mean of
both, because other work on the machine changes its speed within minutes.
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
from bench.testbed.testbed import DEADLINE_S, GRACE_S, Testbed
from feature_enricher.server.run import allow_open_files

NORMAL = 64
SLOW = (400, 1_000)
MANY = (512, 2_000, 5_000)
RAMP_S = 1.0
FILES_BESIDE_CONNECTIONS = 256
# An answer for this many users is larger than the buffers of a slow reader's connection.
USERS_OF_SLOW_READERS = 100
SLOWEST_MS = (DEADLINE_S + GRACE_S) * 1e3


@dataclass(frozen=True)
class ClientOutcome:
    """The result of one scenario with slow or many clients, and the usual rate for comparison."""

    outcome: Outcome
    probes: list[Probe]
    rate: float
    """Predictions a second"""
    usual_rate: float
    """Predictions a second of 64 normal clients alone"""
    slow_at_work: int = 0
    """Slow clients still connected at the end"""

    @property
    def share(self) -> float:
        return self.rate / self.usual_rate

    @property
    def slowest_ms(self) -> float:
        """Counted from when a request was sent: a wait in the load generator is not the gateway's."""
        recording = self.outcome.recording
        # fmax ignores requests that were never sent: their time is NaN, which no limit would refuse
        return float(np.fmax.reduce((recording.done - recording.sent) * 1e3, initial=0.0))

    @property
    def slowest_probe_ms(self) -> float:
        return slowest_ms(self.probes)

    @property
    def badly_refused(self) -> int:
        """Requests answered neither with 200 nor with 503 and Retry-After."""
        recording = self.outcome.recording
        refused = (recording.status == UNAVAILABLE) & ~np.isnan(recording.retry_after)
        return int((~recording.ok & ~refused).sum())


def all_client_scenarios(testbed: Testbed, checker: Checker, seconds: float) -> Iterator[ClientOutcome]:
    """First all scenarios with slow clients, then those with many."""
    allow_open_files(max(MANY) + FILES_BESIDE_CONNECTIONS)  # inherited by the load's process
    scenarios = [partial(with_slow_clients, kind=kind, count=count) for kind in KINDS for count in SLOW]
    scenarios += [partial(many_clients, count=count) for count in MANY]
    before = usual_rate(testbed, seconds)
    for run in scenarios:
        outcome = run(testbed, checker, seconds)
        after = usual_rate(testbed, seconds)
        yield replace(outcome, usual_rate=(before + after) / 2)
        before = after


def usual_rate(testbed: Testbed, seconds: float) -> float:
    return rate_of(loops.drive(loops.closed, testbed.target(), NORMAL, seconds, 0, RAMP_S), seconds)


def with_slow_clients(testbed: Testbed, checker: Checker, seconds: float, *, kind: str, count: int) -> ClientOutcome:
    slow_body = json.dumps({"user_ids": testbed.users[:USERS_OF_SLOW_READERS]}).encode()
    with slow_clients(replace(testbed.target(), bodies=[slow_body]), kind, count) as state:
        normal = many_clients(testbed, checker, seconds, count=NORMAL)
        at_work, _opened = state()
    outcome = replace(normal.outcome, name=f"{NORMAL} beside {count:,} with slow {kind}")
    return replace(normal, outcome=outcome, slow_at_work=at_work)


def many_clients(testbed: Testbed, checker: Checker, seconds: float, *, count: int) -> ClientOutcome:
    target = testbed.target()
    with probing(target.host, target.port) as probes:
        recording = loops.drive(loops.closed, target, count, seconds, 1, RAMP_S)
    outcome = Outcome(f"{count:,} without pauses", recording, checker.check(recording, testbed.users))
    return ClientOutcome(outcome, probes, rate_of(recording, seconds), float("nan"))


def rate_of(recording: Recording, seconds: float) -> float:
    """Right answers a second in the last `seconds` of the load, when all clients had started."""
    in_time = recording.ok & (recording.done >= recording.until - seconds) & (recording.done < recording.until)
    return float(in_time.sum() / seconds)
