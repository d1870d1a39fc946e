"""make bench: the gateway, the tutorial design and two empty applications under the same load.

Writes reports/benchmarks.md.
"""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import report
from bench.checker import Checker
from bench.load import loops
from bench.load.loops import LoadTarget
from bench.load.recording import Recording
from bench.speed_report import MANY, CpuPerRound, Figures, FiguresPerRound, paragraphs
from bench.testbed.systems import all_systems
from bench.testbed.testbed import Testbed, open_testbed
from local_stack.settings import ROOT

CONNECTIONS = (1, 8, 64)
WARM_S = 1.0


def main(data: Path, state: str, seconds: float, rounds: int) -> None:
    machine = report.machine()
    with open_testbed(data, state) as testbed, all_systems(testbed) as targets:
        measured, cpu = measure(testbed, targets, seconds, rounds)
        many = [many_at_once(targets["gateway"], testbed.users, seed) for seed in range(rounds)]
    text = paragraphs(machine=machine, measured=measured, many=many, cpu=cpu, seconds=seconds, rounds=rounds)
    path = report.write("benchmarks.md", text)
    report.say(f"[OK] {path.relative_to(ROOT)} is written")


def measure(
    testbed: Testbed, targets: dict[str, LoadTarget], seconds: float, rounds: int
) -> tuple[FiguresPerRound, CpuPerRound]:
    """In each round, every system at every number of connections. Every answer of the gateway is checked."""
    measured: FiguresPerRound = defaultdict(list)
    cpu: CpuPerRound = defaultdict(list)
    checker = Checker()
    for name, target in targets.items():
        loops.drive(loops.closed, target, CONNECTIONS[-1], WARM_S, 0)
        report.say(f"  {name} is warm")
    for number in range(rounds):
        for connections in CONNECTIONS:
            for name in _rotated(list(targets), number):
                before = testbed.cpu_s()
                recording = loops.drive(loops.closed, targets[name], connections, seconds, number)
                spent = _per_request_ms(before, testbed.cpu_s(), recording)
                if name == "gateway":
                    cpu[connections].append(spent)
                figures = figures_of(recording)
                measured[name, connections].append(figures)
                check = "" if name != "gateway" else f"  {checker.check(recording, testbed.users)}"
                report.say(
                    f"  round {number + 1}/{rounds} {name:<11} {connections:>2} connections {_line(figures)}{check}"
                )
    return measured, cpu


def figures_of(recording: Recording) -> Figures:
    return {
        "p50": recording.percentile_ms(50),
        "p99": recording.percentile_ms(99),
        "rate": recording.rate(),
        "failed": float((~recording.ok).sum()),
    }


def _per_request_ms(before: Figures, after: Figures, recording: Recording) -> Figures:
    spent = {name: after[name] - before.get(name, 0.0) for name in after} | {"load generator": recording.cpu_s}
    return {name: seconds * 1e3 / max(len(recording), 1) for name, seconds in spent.items()}


def many_at_once(target: LoadTarget, users: list[str], seed: int) -> float:
    """Median milliseconds for 1,000 users in one request; NaN when the gateway refuses them."""
    chosen = np.random.default_rng(seed).choice(users, MANY).tolist()
    body = json.dumps({"user_ids": chosen}).encode()
    recording = loops.drive(loops.closed, replace(target, bodies=[body]), 1, WARM_S, 0)
    return recording.percentile_ms(50)


def _rotated(names: list[str], number: int) -> list[str]:
    """Each round begins with another system, so that the order favours none."""
    first = number % len(names)
    return names[first:] + names[:first]


def _line(figures: Figures) -> str:
    failed = f", {figures['failed']:.0f} FAILED" if figures["failed"] else ""
    return f"p50 {figures['p50']:8.2f} ms  p99 {figures['p99']:8.2f} ms  {figures['rate']:7.1f} requests/s{failed}"
