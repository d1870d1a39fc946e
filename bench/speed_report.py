"""reports/benchmarks.md: what was measured, beside what was wanted, and where the time goes."""

import os
from statistics import median

from bench import report

Figures = dict[str, float]
Measured = dict[tuple[str, int], list[Figures]]
"""By gateway and number of connections, a round each"""

MANY = 1_000
GOAL_FASTER, GOAL_MORE, GOAL_SHARE, GOAL_MANY_MS = 10, 100, 0.5, 400
HOW = """\
Medians of {rounds} rounds of {seconds:g} s for each cell, the three in turn within a round; users drawn at random. \
Latency is what the client sees. `published`: one process, Feast's own look-up and the RandomForest in it with \
n_jobs=-1, per request, under gunicorn with 8 threads (bench/published_app.py). `empty`: the same Flask, \
flask-openapi3 and gunicorn settings and an answer of the same size, without work (bench/empty_app.py). Made by \
`make bench`."""
WAY = """\
Processor milliseconds per request at 64 connections, by who spends them. Two cores have two to spend in each \
millisecond, and one Python process at most one:"""
BOUND = """\
So the gateway, one process with {gateway:.2f} ms per request, cannot exceed {most:.0f} requests/s however idle the \
machine; and with {whole:.2f} ms in all, this machine cannot exceed {all_cores:.0f} with the load generator on it. \
What else runs meanwhile (see the load average) takes its part of that."""


def paragraphs(
    *, told: str, measured: Measured, many: list[float], cpu: list[Figures], seconds: float, rounds: int
) -> list[str]:
    middle = {
        key: {name: median(each[name] for each in all_rounds) for name in all_rounds[0]}
        for key, all_rounds in measured.items()
    }
    return [
        "# Benchmarks",
        told,
        HOW.format(rounds=rounds, seconds=seconds),
        report.table(["connections", "gateway", "p50 ms", "p99 ms", "requests/s", "not answered 200"], _rows(middle)),
        "## Ratios and goals",
        report.table(["what", "goal", "reached", ""], goals(middle, median(many))),
        "## What stands in the way",
        *obstacles({name: median(each[name] for each in cpu) for name in cpu[0]}),
    ]


def _rows(middle: dict[tuple[str, int], Figures]) -> list[list[str]]:
    return [
        [str(n), name, f"{f['p50']:.2f}", f"{f['p99']:.2f}", f"{f['rate']:.1f}", f"{f['failed']:.0f}"]
        for (name, n), f in sorted(middle.items(), key=lambda item: (item[0][1], item[0][0]))
    ]


def goals(middle: dict[tuple[str, int], Figures], many_ms: float) -> list[list[str]]:
    """What the project set out to reach, beside what it did."""
    faster = middle["published", 1]["p50"] / middle["ours", 1]["p50"]
    rate = middle["ours", 64]["rate"]
    more, share = rate / middle["published", 64]["rate"], rate / middle["empty", 64]["rate"]
    return [
        [
            "p50 at 1 connection, published / ours",
            f"{GOAL_FASTER} or more",
            f"{faster:.1f}",
            _said(faster >= GOAL_FASTER),
        ],
        [
            "requests/s at 64 connections, ours / published",
            f"{GOAL_MORE} or more",
            f"{more:.1f}",
            _said(more >= GOAL_MORE),
        ],
        [
            "requests/s at 64 connections, ours / empty",
            f"{GOAL_SHARE} or more",
            f"{share:.2f}",
            _said(share >= GOAL_SHARE),
        ],
        [
            f"{MANY:,} users in one request",
            f"under {GOAL_MANY_MS} ms",
            f"{many_ms:.0f} ms",
            _said(many_ms < GOAL_MANY_MS),
        ],
    ]


def obstacles(spent: Figures) -> list[str]:
    """Who spends the processors' time, and what follows from it."""
    gateway, whole = spent["gateway"], sum(spent.values())
    return [
        WAY,
        report.table(["part", "ms"], [[name, f"{ms:.2f}"] for name, ms in [*spent.items(), ("together", whole)]]),
        BOUND.format(gateway=gateway, most=1000 / gateway, whole=whole, all_cores=1000 * (os.cpu_count() or 1) / whole),
    ]


def _said(reached: bool) -> str:
    return "reached" if reached else "not reached"
