"""The scenarios of `make chaos`: peak, steady load, overload and faults. The caller sets rates and durations."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil

from bench.checker import Checker, CheckResult
from bench.load import loops
from bench.load.in_flight import NEVER_SENT
from bench.load.recording import UNAVAILABLE, Recording
from bench.testbed.faults import InjectedFault
from bench.testbed.testbed import DEADLINE_S, GRACE_S, Testbed

MOST_CONNECTIONS = 512
SAMPLE_S = 0.5
LONGEST_FAULT_S = 180.0
READY_TIMEOUT_S = 60.0
STEADY_SHARE, OVERLOAD = 0.7, 10.0


@dataclass(frozen=True)
class Outcome:
    """A scenario's result."""

    name: str
    recording: Recording
    check: CheckResult
    notes: dict[str, float] = field(default_factory=dict)
    """Figures that only this scenario has"""

    @property
    def unnamed(self) -> int:
        """Requests that were sent and got neither a 200 nor a named error."""
        never_sent = [answer == NEVER_SENT for answer in self.recording.answers] or [False]
        unanswered = ~self.recording.ok & ~self.recording.named_errors()
        return int((unanswered & ~np.array(never_sent)[self.recording.answer]).sum())

    @property
    def codes(self) -> str:
        """How often each answer except 200 was returned, as text."""
        counts = sorted(self.recording.codes().items())
        return ", ".join(f"{count:,} {name}" for name, count in counts) or "none"

    @property
    def slowest_ms(self) -> float:
        return float(self.recording.latency_ms.max(initial=0.0))

    @property
    def late(self) -> int:
        """Requests answered later than the deadline plus GRACE_S."""
        return int((self.recording.latency_ms > (DEADLINE_S + GRACE_S) * 1e3).sum())


def peak(testbed: Testbed, seconds: float, rounds: int = 3) -> float:
    """Right answers per second for 64 clients: the median of `rounds` rounds of `seconds` each."""
    rates = [loops.drive(loops.closed, testbed.target(), 64, seconds, seed).rate() for seed in range(rounds)]
    return float(np.median(rates))


def steady(testbed: Testbed, checker: Checker, rate: float, seconds: float) -> Outcome:
    """`rate` requests/s for `seconds`. Notes the gateway's median memory in MiB in the second and the last tenth."""
    with loops.start(testbed.target(), rate, seconds, MOST_CONNECTIONS, 1) as running:
        samples: list[float] = []
        with sampled(testbed.service("gateway"), samples):
            recording = running.result()
    tenth = max(len(samples) // 10, 1)
    early, last = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
    notes = {"memory early": float(np.median(early)), "memory last": float(np.median(last))}
    return Outcome("steady", recording, checker.check(recording, testbed.users), notes)


def overload(
    testbed: Testbed, checker: Checker, peak_rate: float, seconds: float, after_s: float
) -> tuple[Outcome, Outcome]:
    """Ten times the peak for `seconds`, then half the peak for `after_s`. Returns the outcome of each phase.

    Notes of the second: seconds until no request fails any more.
    """
    target = testbed.target()
    during = loops.drive(loops.opened, target, peak_rate * OVERLOAD, seconds, MOST_CONNECTIONS, 1)
    after = loops.drive(loops.opened, target, peak_rate / 2, after_s, MOST_CONNECTIONS, 2)
    shed = during.where(during.status == UNAVAILABLE)
    in_time = during.ok & (during.latency_ms <= DEADLINE_S * 1e3)
    # counted from when it was sent: the load generator shares the cores, and its own queue is not the gateway's
    late = during.done - during.sent > DEADLINE_S + GRACE_S
    notes = {
        "goodput": float(in_time.sum() / max(during.done.max() - during.due.min(), seconds)),
        "answered": float((during.status > 0).sum() / seconds),
        "never sent": float(np.isnan(during.sent).sum()),
        "shed": float(len(shed)),
        "shed without Retry-After": float(np.isnan(shed.retry_after).sum()),
        "late": float(late.sum()),
    }
    recovery = {"normal after": recovery_s(after, float(after.due.min()))}
    return (
        Outcome("overload", during, checker.check(during, testbed.users), notes),
        Outcome("after the overload", after, checker.check(after, testbed.users), recovery),
    )


def under_fault(
    testbed: Testbed, checker: Checker, fault: InjectedFault, *, rate: float, around_s: float, after_s: float
) -> Outcome:
    """`rate` requests/s from `around_s` before the fault until `after_s` after the service was back."""
    testbed.await_ready(READY_TIMEOUT_S)
    longest = around_s + LONGEST_FAULT_S
    with loops.start(testbed.target(), rate, longest, MOST_CONNECTIONS, 1) as running:
        time.sleep(around_s)
        returned = fault.inject(testbed)
        running.end_in(after_s)
        recording = running.result()
    notes = {"recovery": recovery_s(recording, returned), "failed": float((~recording.ok).sum())}
    return Outcome(fault.name, recording, checker.check(recording, testbed.users), notes)


def recovery_s(recording: Recording, returned: float) -> float:
    """Seconds from the service's return (`returned`, time.monotonic()) to the last failed request.

    0 when none failed after it. Infinite when the last request of all failed: the end of the failures is unknown.
    """
    last_failed = float(recording.due[~recording.ok].max(initial=returned))
    return float("inf") if last_failed >= recording.due.max() else max(0.0, last_failed - returned)


@contextmanager
def sampled(root: psutil.Process, samples: list[float]) -> Iterator[None]:
    """Adds the memory of the process and its children, in MiB, every SAMPLE_S during the block."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append(sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]) / 2**20)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        over.set()
        sampler.join()
