"""make chaos: steady load, overload, slow clients, many clients and faults, every answer checked;
reports/reliability.md."""

from collections.abc import Sequence
from pathlib import Path

from bench import client_report, report, scenarios
from bench.checker import Checker
from bench.client_scenarios import Beside, all_clients
from bench.scenarios import Outcome
from bench.testbed.faults import Fault, all_faults
from bench.testbed.testbed import Ground, standing
from local_stack.settings import ROOT

RATE = 100.0
PEAK_S, OVERLOAD_S, AFTER_S, AROUND_S, FROZEN_S, CLIENTS_S = 10.0, 60.0, 20.0, 10.0, 10.0, 10.0
FLAT, TAIL, GOODPUT = 0.05, 5.0, 0.8
NORMAL_S = 5.0
HOW = """\
Open loop: requests leave by the clock, and latency counts from the moment a request was to leave. Every 200 is \
compared bit for bit with what the version it names computes offline from the values it names; every other answer has \
to be a named error, by the deadline of 3 s + 100 ms. Made by `make chaos` ({minutes:g} minutes of steady load; other \
times at {scale:g} of full size)."""


def main(data: Path, state: str, minutes: float, scale: float) -> None:
    told = report.machine()
    checker = Checker()
    with standing(data, state) as ground:
        top = scenarios.peak(ground, PEAK_S * scale)
        report.say(f"  peak: {top:.0f} requests/s at 64 connections")
        steady = scenarios.steady(ground, checker, top * scenarios.STEADY_SHARE, minutes * 60)
        say(steady)
        storm, calm = scenarios.overload(ground, checker, top, OVERLOAD_S * scale, AFTER_S * scale)
        say(storm)
        say(calm)
        beside = [said(each) for each in all_clients(ground, checker, CLIENTS_S * scale)]
        faults = all_faults(FROZEN_S * scale)
        hurt = [inflict(ground, checker, fault, scale) for fault in faults]
    head = [
        "# Reliability",
        told,
        HOW.format(minutes=minutes, scale=scale),
        f"Peak: {top:.0f} requests/s (64 clients).",
    ]
    body = [
        "## Steady and overloaded",
        report.table(["what", "goal", "found", ""], [*steady_goals(steady), *overload_goals(storm, calm, top)]),
        "## Slow clients, and many at once",
        *client_report.paragraphs(beside),
        f"## Faults under {RATE:g} requests a second",
        report.table(FAULT_HEAD, [fault_row(fault, outcome) for fault, outcome in zip(faults, hurt, strict=True)]),
        "## Every answer",
        "\n".join(
            f"- {each.name}: {each.verdict}; others: {each.codes}"
            for each in [steady, storm, calm, *(each.outcome for each in beside), *hurt]
        ),
    ]
    path = report.write("reliability.md", [*head, *body])
    report.say(f"[OK] {path.relative_to(ROOT)} is written")


def inflict(ground: Ground, checker: Checker, fault: Fault, scale: float) -> Outcome:
    around_s = AROUND_S * scale
    outcome = scenarios.under(ground, checker, fault, rate=RATE, around_s=around_s, after_s=fault.limit_s + around_s)
    say(outcome)
    return outcome


def say(outcome: Outcome) -> None:
    notes = ", ".join(f"{name} {value:.3g}" for name, value in outcome.notes.items())
    slowest = f"slowest {outcome.slowest_ms:.0f} ms"
    report.say(f"  {outcome.name}: {outcome.verdict}; others: {outcome.codes}; {slowest}; {notes}")


def said(found: Beside) -> Beside:
    report.say(client_report.line(found))
    return found


def steady_goals(steady: Outcome) -> list[list[str]]:
    recording, notes = steady.recording, steady.notes
    failed = int((~recording.ok).sum())
    growth = notes["memory last"] / notes["memory early"] - 1
    tail = recording.percentile_ms(99) / recording.percentile_ms(50)
    asked = f"{len(recording):,} requests at {scenarios.STEADY_SHARE:.0%} of peak"
    return [
        [f"{asked}: not answered 200", "0", str(failed), reached(failed == 0)],
        ["memory, last tenth to second", f"within {FLAT:.0%}", f"{growth:+.1%}", reached(abs(growth) <= FLAT)],
        ["p99 / p50", f"under {TAIL:g}", f"{tail:.1f} ({recording.percentile_ms(50):.1f} ms)", reached(tail < TAIL)],
    ]


def overload_goals(storm: Outcome, calm: Outcome, top: float) -> list[list[str]]:
    share = storm.notes["goodput"] / top
    offered = f"{scenarios.OVERLOAD:g} times the peak ({len(storm.recording):,} requests)"
    normal = calm.notes["normal after"]
    return [
        [f"{offered}: goodput / peak", f"{GOODPUT:g} or more", f"{share:.2f}", reached(share >= GOODPUT)],
        ["of these never left, for want of a free connection", "", f"{storm.notes['never left']:,.0f}", ""],
        _none("answered later than the deadline + 100 ms, from when they left", storm.notes["late"]),
        _none("503s without Retry-After", storm.notes["shed without Retry-After"]),
        _none("of those that left: neither 200 nor a named error", storm.unnamed),
        ["normal again after", f"{NORMAL_S:g} s", f"{normal:.1f} s", reached(normal <= NORMAL_S)],
    ]


def _none(what: str, count: float) -> list[str]:
    return [what, "0", f"{count:,.0f}", reached(count == 0)]


FAULT_HEAD: Sequence[str] = (
    "fault", "requests", "not 200", "unnamed", "slowest ms", "later than the deadline", "recovery s", "limit s", "",
)  # fmt: skip


def fault_row(fault: Fault, outcome: Outcome) -> list[str]:
    recovery, failed = outcome.notes["recovery"], int(outcome.notes["failed"])
    right = not (outcome.unnamed or outcome.late or outcome.verdict.wrong) and recovery <= fault.limit_s
    fine = right and not (fault.must_not_hurt and failed)
    cells = (len(outcome.recording), failed, outcome.unnamed, f"{outcome.slowest_ms:.0f}", outcome.late)
    limit = "no failure" if fault.must_not_hurt else f"{fault.limit_s:g}"
    return [fault.name, *map(str, cells), f"{recovery:.1f}", limit, reached(fine)]


def reached(goal: bool) -> str:
    return "reached" if goal else "not reached"
