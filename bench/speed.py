"""make bench: the gateway, the published way and two empty applications under the same load; reports/benchmarks.md."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import report
from bench.checker import Checker
from bench.load import loops
from bench.load.loops import Target
from bench.load.recording import Recording
from bench.speed_report import MANY, Figures, Measured, Spent, paragraphs
from bench.testbed.systems import contenders
from bench.testbed.testbed import Ground, standing
from local_stack.settings import ROOT

CONNECTIONS = (1, 8, 64)
WARM_S = 1.0


def main(data: Path, state: str, seconds: float, rounds: int) -> None:
    told = report.machine()
    with standing(data, state) as ground, contenders(ground) as targets:
        measured, cpu = measure(ground, targets, seconds, rounds)
        many = [many_at_once(targets["ours"], ground.users, seed) for seed in range(rounds)]
    path = report.write(
        "benchmarks.md", paragraphs(told=told, measured=measured, many=many, cpu=cpu, seconds=seconds, rounds=rounds)
    )
    report.say(f"[OK] {path.relative_to(ROOT)} is written")


def measure(ground: Ground, targets: dict[str, Target], seconds: float, rounds: int) -> tuple[Measured, Spent]:
    """In each round each system at each number of connections, in turn. Ours are checked, each answer."""
    found: Measured = defaultdict(list)
    cpu: Spent = defaultdict(list)
    checker = Checker()
    for name, target in targets.items():
        loops.drive(loops.closed, target, CONNECTIONS[-1], WARM_S, 0)
        report.say(f"  {name} is warm")
    for turn in range(rounds):
        for connections in CONNECTIONS:
            for name in _turned(list(targets), turn):
                before = ground.cpu_s()
                recording = loops.drive(loops.closed, targets[name], connections, seconds, turn)
                spent = _per_request_ms(before, ground.cpu_s(), recording)
                if name == "ours":
                    cpu[connections].append(spent)
                figures = figures_of(recording)
                found[name, connections].append(figures)
                said = "" if name != "ours" else f"  {checker.check(recording, ground.users)}"
                report.say(
                    f"  round {turn + 1}/{rounds} {name:<11} {connections:>2} connections {_line(figures)}{said}"
                )
    return found, cpu


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


def many_at_once(target: Target, users: list[str], seed: int) -> float:
    """Milliseconds for 1,000 users in one request; NaN where the gateway does not take them."""
    chosen = np.random.default_rng(seed).choice(users, MANY).tolist()
    body = json.dumps({"user_ids": chosen}).encode()
    recording = loops.drive(loops.closed, replace(target, bodies=[body]), 1, WARM_S, 0)
    return recording.percentile_ms(50)


def _turned(names: list[str], turn: int) -> list[str]:
    """Each round begins with another one, so that none always meets a warm or a tired machine."""
    first = turn % len(names)
    return names[first:] + names[:first]


def _line(figures: Figures) -> str:
    failed = f", {figures['failed']:.0f} FAILED" if figures["failed"] else ""
    return f"p50 {figures['p50']:8.2f} ms  p99 {figures['p99']:8.2f} ms  {figures['rate']:7.1f} requests/s{failed}"
