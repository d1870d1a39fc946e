"""The scenarios of `make chaos`, each with its load, its size and what it found. All sizes are the caller's."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil

from bench.checker import Checker, Verdict
from bench.load import loops
from bench.load.in_flight import NEVER_LEFT
from bench.load.recording import UNAVAILABLE, Recording
from bench.testbed.faults import Fault
from bench.testbed.testbed import DEADLINE_S, GRACE_S, Ground

MOST_CONNECTIONS = 512
SAMPLE_S = 0.5
LONGEST_FAULT_S = 180.0
READY_TIMEOUT_S = 60.0
STEADY_SHARE, OVERLOAD = 0.7, 10.0


@dataclass(frozen=True)
class Outcome:
    """What every scenario is judged by."""

    name: str
    recording: Recording
    verdict: Verdict
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def unnamed(self) -> int:
        """Requests that left and got neither a 200 nor a named error."""
        never_left = [answer == NEVER_LEFT for answer in self.recording.answers] or [False]
        answerless = ~self.recording.ok & ~self.recording.named_errors()
        return int((answerless & ~np.array(never_left)[self.recording.answer]).sum())

    @property
    def codes(self) -> str:
        """How often each answer but 200 was met, in words."""
        counts = sorted(self.recording.codes().items())
        return ", ".join(f"{count:,} {name}" for name, count in counts) or "none"

    @property
    def slowest_ms(self) -> float:
        return float(self.recording.latency_ms.max(initial=0.0))

    @property
    def late(self) -> int:
        """Requests whose answer, of whatever kind, came after the deadline and its grace."""
        return int((self.recording.latency_ms > (DEADLINE_S + GRACE_S) * 1e3).sum())


def peak(ground: Ground, seconds: float, rounds: int = 3) -> float:
    """Right answers per second that 64 clients get: the median of some rounds."""
    rates = [loops.drive(loops.closed, ground.target(), 64, seconds, seed).rate() for seed in range(rounds)]
    return float(np.median(rates))


def steady(ground: Ground, checker: Checker, rate: float, seconds: float) -> Outcome:
    """Memory is the gateway's, in MiB: the median over the second tenth of the time, and over the last one."""
    with loops.start(ground.target(), rate, seconds, MOST_CONNECTIONS, 1) as running:
        samples: list[float] = []
        with sampled(ground.part("gateway"), samples):
            recording = running.result()
    tenth = max(len(samples) // 10, 1)
    early, last = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
    notes = {"memory early": float(np.median(early)), "memory last": float(np.median(last))}
    return Outcome("steady", recording, checker.check(recording, ground.users), notes)


def overload(
    ground: Ground, checker: Checker, peak_rate: float, seconds: float, after_s: float
) -> tuple[Outcome, Outcome]:
    """Ten times the peak, then at once half of it: how soon is all normal again?"""
    target, much = ground.target(), peak_rate * OVERLOAD
    storm = loops.drive(loops.opened, target, much, seconds, MOST_CONNECTIONS, 1)
    calm = loops.drive(loops.opened, target, peak_rate / 2, after_s, MOST_CONNECTIONS, 2)
    shed = storm.where(storm.status == UNAVAILABLE)
    in_time = storm.ok & (storm.latency_ms <= DEADLINE_S * 1e3)
    # from when it left: the load generator shares the cores, and what waits in it is not the gateway's to refuse
    late = storm.done - storm.sent > DEADLINE_S + GRACE_S
    notes = {
        "goodput": float(in_time.sum() / max(storm.done.max() - storm.due.min(), seconds)),
        "answered": float((storm.status > 0).sum() / seconds),
        "never left": float(np.isnan(storm.sent).sum()),
        "shed": float(len(shed)),
        "shed without Retry-After": float(np.isnan(shed.retry_after).sum()),
        "late": float(late.sum()),
    }
    back = {"normal after": recovery_s(calm, float(calm.due.min()))}
    return (
        Outcome("overload", storm, checker.check(storm, ground.users), notes),
        Outcome("after the overload", calm, checker.check(calm, ground.users), back),
    )


def under(ground: Ground, checker: Checker, fault: Fault, *, rate: float, around_s: float, after_s: float) -> Outcome:
    """`rate` requests a second from `around_s` before the fault until `after_s` after the part was back."""
    ground.await_ready(READY_TIMEOUT_S)
    longest = around_s + LONGEST_FAULT_S
    with loops.start(ground.target(), rate, longest, MOST_CONNECTIONS, 1) as running:
        time.sleep(around_s)
        returned = fault.do(ground)
        running.end_in(after_s)
        recording = running.result()
    notes = {"recovery": recovery_s(recording, returned), "failed": float((~recording.ok).sum())}
    return Outcome(fault.name, recording, checker.check(recording, ground.users), notes)


def recovery_s(recording: Recording, returned: float) -> float:
    """From the part's return to the departure of the last request that failed; 0 when none failed after it, and
    infinite when the last request of all failed: who knows how long it would have gone on."""
    last_failed = float(recording.due[~recording.ok].max(initial=returned))
    return float("inf") if last_failed >= recording.due.max() else max(0.0, last_failed - returned)


@contextmanager
def sampled(head: psutil.Process, samples: list[float]) -> Iterator[None]:
    """Memory of the process and all below it, in MiB, as long as the block lasts."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append(sum(p.memory_info().rss for p in [head, *head.children(recursive=True)]) / 2**20)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        over.set()
        sampler.join()
