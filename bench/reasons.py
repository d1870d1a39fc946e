"""make bench-reasons: what reasons cost in the model, at the gate and at the gateway -> reports/reasons.md.

Every figure with reasons has one without beside it, from the same round. Reasons are of EXPLAIN features.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median

import pandas as pd
from threadpoolctl import threadpool_limits

from bench import report, swap
from bench.load import loops
from bench.testbed import candidates
from bench.testbed.faults import AS_OF
from bench.testbed.testbed import Testbed, open_testbed
from local_stack.settings import ROOT
from steps.registry import explained, versions
from steps.registry.loaded_version import LoadedVersion
from steps.registry.training_sets import trained_on
from steps.scoring import reasons, scores
from steps.training.model.served_model import EXPLAIN

FEATURE_LIST, FEATURES = "churn_v1", 5
KINDS = {"hist_gradient_boosting": 150, "random_forest": 300, "logistic_regression": 300}
"""Kind of model -> its trees, as MLproject has them; a regression has none"""
BATCHES = (1, 32, 1_000)
CONNECTIONS = (1, 64)
WARM_S = 1.0
GOAL_MS = {"hist_gradient_boosting": 1.0, "random_forest": 10.0}
GOAL_SHARE = 0.5
HOW = """\
Medians of {rounds} rounds. Reasons are of the {features} strongest features. In the model: milliseconds a row of one \
call of the served model's `predict` with so many rows: what reasons add to it, and the call without them. At the \
gate: the check of all reasons of {rows:,} rows. At the gateway: requests a second for one user each, {seconds:g} s a \
measurement, with `explain` and without in turns; a share compares the two within one round. Made by `make \
bench-reasons`."""


@dataclass(frozen=True)
class Requests:
    connections: int
    plain: float
    """Requests a second"""
    with_reasons: float
    failed: int


@dataclass(frozen=True)
class Figures:
    """ms: by number of rows, milliseconds a row that reasons add, and those of the call without."""

    kind: str
    ms: dict[int, tuple[float, float]]
    gate_s: float
    requests: list[Requests]


def main(data: Path, state: str, seconds: float, rounds: int) -> None:
    machine = report.machine()
    with open_testbed(data, state) as testbed:
        measured = [measure(testbed, kind, trees, seconds, rounds) for kind, trees in KINDS.items()]
    text = paragraphs(machine, measured, seconds, rounds)
    path = report.write("reasons.md", text)
    report.say(f"[OK] {path.relative_to(ROOT)} is written")


def measure(testbed: Testbed, kind: str, trees: int, seconds: float, rounds: int) -> Figures:
    number = candidates.valid_version(FEATURE_LIST, kind, trees)
    with scores.features_of(number, trained_on(versions.get(number))) as model:
        rows = reasons.features_of_users(model, date.fromisoformat(AS_OF), testbed.users[: max(BATCHES)])
    ms = {size: in_model(model.loaded, rows.head(size), rounds) for size in BATCHES}
    gate_s = median(_seconds(lambda: explained.issues(model.loaded, rows)) for _round in range(rounds))
    report.say(f"  {kind}, version {number}: {ms}, gate {gate_s:.2f} s")
    if testbed.live()["serving"]["version"] != number:
        swap.swap_to(testbed, number, lambda: candidates.promote(number))
    requests = [
        at_gateway(testbed, connections, seconds, seed) for connections in CONNECTIONS for seed in range(rounds)
    ]
    return Figures(kind, ms, gate_s, requests)


def in_model(loaded: LoadedVersion, rows: pd.DataFrame, rounds: int) -> tuple[float, float]:
    """Milliseconds a row that reasons add, and those of the call without."""

    def with_reasons() -> None:
        loaded.served.predict(rows, params={EXPLAIN: FEATURES})

    def plain() -> None:
        loaded.served.predict(rows)

    with threadpool_limits(limits=1):  # as the model server's environment has it
        with_reasons()
        pairs = [(_seconds(with_reasons), _seconds(plain)) for _round in range(rounds * 3)]
    added = median(explaining - predicting for explaining, predicting in pairs)
    return added * 1e3 / len(rows), median(predicting for _explaining, predicting in pairs) * 1e3 / len(rows)


def at_gateway(testbed: Testbed, connections: int, seconds: float, seed: int) -> Requests:
    plain = testbed.target()
    bodies = [json.dumps({"user_id": user, "explain": FEATURES}).encode() for user in testbed.users]
    recordings = {}
    for name, target in {"plain": plain, "reasons": replace(plain, bodies=bodies)}.items():
        loops.drive(loops.closed, target, connections, WARM_S, seed)
        recordings[name] = loops.drive(loops.closed, target, connections, seconds, seed)
    failed = sum(int((~recording.ok).sum()) for recording in recordings.values())
    figures = Requests(connections, recordings["plain"].rate(), recordings["reasons"].rate(), failed)
    report.say(f"  {figures}")
    return figures


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paragraphs(machine: str, measured: list[Figures], seconds: float, rounds: int) -> list[str]:
    how = HOW.format(rounds=rounds, features=FEATURES, rows=max(BATCHES), seconds=seconds)
    return [
        "# What reasons cost",
        machine,
        how,
        "## In the model",
        report.table(["kind", "rows a call", "ms a row for reasons", "without", "goal", ""], _model_rows(measured)),
        "## At the gate",
        report.table(["kind", f"seconds for {max(BATCHES):,} rows"], [[f.kind, f"{f.gate_s:.2f}"] for f in measured]),
        "## At the gateway",
        report.table(
            ["kind", "connections", "requests/s with reasons", "without", "share", "each round", "not answered 200"],
            _gateway_rows(measured),
        ),
        f"The goal is a share of at least {GOAL_SHARE:g} for boosting.",
    ]


def _model_rows(measured: list[Figures]) -> list[list[str]]:
    return [
        [
            figures.kind, f"{size:,}", f"{ms:.2f}", f"{plain:.3f}",
            *([f"{goal:g}", "met" if ms <= goal else "missed"] if (goal := GOAL_MS.get(figures.kind)) else ["", ""]),
        ]
        for figures in measured
        for size, (ms, plain) in figures.ms.items()
    ]  # fmt: skip


def _gateway_rows(measured: list[Figures]) -> list[list[str]]:
    return [_gateway_row(figures, connections) for figures in measured for connections in CONNECTIONS]


def _gateway_row(figures: Figures, connections: int) -> list[str]:
    rounds = [requests for requests in figures.requests if requests.connections == connections]
    shares = [requests.with_reasons / requests.plain for requests in rounds]
    return [
        figures.kind, str(connections), f"{median(requests.with_reasons for requests in rounds):.1f}",
        f"{median(requests.plain for requests in rounds):.1f}", f"{median(shares):.2f}",
        ", ".join(f"{share:.2f}" for share in shares), str(sum(requests.failed for requests in rounds)),
    ]  # fmt: skip
