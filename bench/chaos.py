"""make chaos: steady load, overload, slow clients, many clients and faults; checks every answer.

Writes reports/reliability.md.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import prediction_log, report, scenarios
from bench.checker import Checker
from bench.clients import report as client_report
from bench.clients.scenarios import ClientOutcome, all_client_scenarios
from bench.prediction_log import logged
from bench.scenarios import Outcome
from bench.testbed.faults import InjectedFault, all_faults, kill_gateway
from bench.testbed.testbed import DEADLINE_S, Testbed, open_testbed
from local_stack.settings import ROOT

RATE = 100.0
PEAK_S, OVERLOAD_S, AFTER_S, AROUND_S, FROZEN_S, CLIENTS_S = 10.0, 60.0, 20.0, 10.0, 10.0, 10.0
FLAT, TAIL, GOODPUT = 0.05, 5.0, 0.8
NORMAL_S = 5.0
# apart from the other faults: while no gateway runs, requests get no answer
KILL = InjectedFault("gateway killed", kill_gateway, limit_s=30.0)
HOW = """\
Open loop: requests are sent by the clock, and latency counts from the scheduled time. Every 200 is compared bit for \
bit with the offline result of the version and the values that it names. Every other answer must be a named error, \
within the deadline of {deadline:g} s + 100 ms. Made by `make chaos` ({minutes:g} minutes of steady load; other \
durations at {scale:g} of full size)."""


def main(data: Path, state: str, minutes: float, scale: float) -> None:
    machine = report.machine()
    checker = Checker()
    with open_testbed(data, state) as testbed:
        top = scenarios.peak(testbed, PEAK_S * scale)
        report.say(f"  peak: {top:.0f} requests/s at 64 connections")
        load = partial(scenarios.steady, testbed, checker, top * scenarios.STEADY_SHARE, minutes * 60)
        steady, steady_log = logged(testbed, load)
        say(steady)
        during, after = scenarios.overload(testbed, checker, top, OVERLOAD_S * scale, AFTER_S * scale)
        say(during)
        say(after)
        clients = [printed(result) for result in all_client_scenarios(testbed, checker, CLIENTS_S * scale)]
        faults = all_faults(FROZEN_S * scale)
        results = [logged(testbed, partial(inject, testbed, checker, fault, scale)) for fault in [*faults, KILL]]
        again = prediction_log.recomputed(testbed)
    under_faults, logs = [outcome for outcome, _log in results], [log for _outcome, log in results]
    outcomes = [steady, during, after, *(result.outcome for result in clients), *under_faults]
    text = [
        *head(machine, top, minutes, scale),
        "## Steady and overloaded",
        report.table(["what", "goal", "measured", ""], [*steady_goals(steady), *overload_goals(during, after, top)]),
        "## Slow clients and many clients",
        *client_report.paragraphs(clients),
        f"## Faults under {RATE:g} requests a second",
        report.table(FAULT_HEAD, list(map(fault_row, faults, under_faults))),  # without the killed gateway
        *prediction_log.paragraphs(steady_log, logs[:-1], logs[-1], *again),
        "## Every answer",
        "\n".join(f"- {outcome.name}: {outcome.check}; other answers: {outcome.codes}" for outcome in outcomes),
    ]
    path = report.write("reliability.md", text)
    report.say(f"[OK] {path.relative_to(ROOT)} is written")


def head(machine: str, top: float, minutes: float, scale: float) -> list[str]:
    how = HOW.format(minutes=minutes, scale=scale, deadline=DEADLINE_S)
    return ["# Reliability", machine, how, f"Peak: {top:.0f} requests/s (64 clients)."]


def inject(testbed: Testbed, checker: Checker, fault: InjectedFault, scale: float) -> Outcome:
    around_s = AROUND_S * scale
    after_s = fault.limit_s + around_s
    outcome = scenarios.under_fault(testbed, checker, fault, rate=RATE, around_s=around_s, after_s=after_s)
    say(outcome)
    return outcome


def say(outcome: Outcome) -> None:
    notes = ", ".join(f"{name} {value:.3g}" for name, value in outcome.notes.items())
    slowest = f"slowest {outcome.slowest_ms:.0f} ms"
    report.say(f"  {outcome.name}: {outcome.check}; other answers: {outcome.codes}; {slowest}; {notes}")


def printed(result: ClientOutcome) -> ClientOutcome:
    report.say(client_report.line(result))
    return result


def steady_goals(steady: Outcome) -> list[list[str]]:
    recording, notes = steady.recording, steady.notes
    failed = int((~recording.ok).sum())
    growth = notes["memory last"] / notes["memory early"] - 1
    tail = recording.percentile_ms(99) / recording.percentile_ms(50)
    load = f"{len(recording):,} requests at {scenarios.STEADY_SHARE:.0%} of peak"
    return [
        [f"{load}: not answered 200", "0", str(failed), reached(failed == 0)],
        [
            "memory, last tenth compared with the second",
            f"within {FLAT:.0%}",
            f"{growth:+.1%}",
            reached(abs(growth) <= FLAT),
        ],
        ["p99 / p50", f"under {TAIL:g}", f"{tail:.1f} ({recording.percentile_ms(50):.1f} ms)", reached(tail < TAIL)],
    ]


def overload_goals(during: Outcome, after: Outcome, top: float) -> list[list[str]]:
    share = during.notes["goodput"] / top
    offered = f"{scenarios.OVERLOAD:g} times the peak ({len(during.recording):,} requests)"
    normal = after.notes["normal after"]
    return [
        [f"{offered}: goodput / peak", f"{GOODPUT:g} or more", f"{share:.2f}", reached(share >= GOODPUT)],
        ["never sent: no free connection", "", f"{during.notes['never sent']:,.0f}", ""],
        _none("answered later than the deadline + 100 ms after being sent", during.notes["late"]),
        _none("503 without Retry-After", during.notes["shed without Retry-After"]),
        _none("sent, but answered neither with 200 nor with a named error", during.unnamed),
        ["normal again after", f"{NORMAL_S:g} s", f"{normal:.1f} s", reached(normal <= NORMAL_S)],
    ]


def _none(description: str, count: float) -> list[str]:
    return [description, "0", f"{count:,.0f}", reached(count == 0)]


FAULT_HEAD: Sequence[str] = (
    "fault", "requests", "not 200", "unnamed", "slowest ms", "later than the deadline", "recovery s", "limit s", "",
)  # fmt: skip


def fault_row(fault: InjectedFault, outcome: Outcome) -> list[str]:
    recovery, failed = outcome.notes["recovery"], int(outcome.notes["failed"])
    recovered = not (outcome.unnamed or outcome.late or outcome.check.wrong) and recovery <= fault.limit_s
    passed = recovered and not (fault.must_not_hurt and failed)
    cells = (len(outcome.recording), failed, outcome.unnamed, f"{outcome.slowest_ms:.0f}", outcome.late)
    limit = "no failure" if fault.must_not_hurt else f"{fault.limit_s:g}"
    return [fault.name, *map(str, cells), f"{recovery:.1f}", limit, reached(passed)]


def reached(goal: bool) -> str:
    return "reached" if goal else "not reached"
