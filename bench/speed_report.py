"""reports/benchmarks.md: what was measured, beside what was wanted, and where the time goes."""

import os
from statistics import median

from bench import report

Figures = dict[str, float]
Measured = dict[tuple[str, int], list[Figures]]
"""By gateway and number of connections, a round each"""
Spent = dict[int, list[Figures]]
"""By number of connections: processor milliseconds per request of ours, by part, a round each"""

MANY = 1_000
GOAL_FASTER, GOAL_MORE, GOAL_SHARE, GOAL_MANY_MS = 10, 100, 0.5, 400
HOW = """\
Medians of {rounds} rounds of {seconds:g} s for each cell, the systems in turn within a round; users drawn at random. \
Latency is what the client sees. `published`: one process, Feast's own lookup and the RandomForest in it with \
n_jobs=-1, per request, under gunicorn with 8 threads (bench/testbed/published_app.py). `empty`: a Flask application \
that does no work, with the gateway's JSON library, an answer of the same size, and the gateway's server, threads and \
batches (bench/testbed/empty_app.py). `empty_stock`: the same application under stock gunicorn with 8 threads. Made by \
`make bench`."""
RATIOS = """\
A ratio compares two systems within one round. Shown: the median of the rounds' ratios, then each round's. The third \
row is the share of the server's speed that is left with the gateway's work; the fourth compares with a server that \
has none of our code; the fifth compares the two servers."""
WAY = """\
Processor milliseconds per request, by who spends them (with all that it started: the watcher's are the model \
server's). {cores} cores have {cores} to spend in each millisecond, and one Python process at most one:"""
BOUND = """\
So at {most_connections} connections the gateway, one process with {gateway:.2f} ms per request, cannot exceed \
{most:.0f} requests/s however idle the machine; and with {whole:.2f} ms in all, this machine cannot exceed \
{all_cores:.0f} with the load generator on it. At one connection nothing overlaps: {alone:.2f} ms of work are the \
answer's time but for the handing over, and {model:.0%} of them are the model server's. What else runs meanwhile (see \
the load average) takes its part of all this."""


def paragraphs(
    *, told: str, measured: Measured, many: list[float], cpu: Spent, seconds: float, rounds: int
) -> list[str]:
    middle = {key: _medians(all_rounds) for key, all_rounds in measured.items()}
    return [
        "# Benchmarks",
        told,
        HOW.format(rounds=rounds, seconds=seconds),
        report.table(["connections", "gateway", "p50 ms", "p99 ms", "requests/s", "not answered 200"], _rows(middle)),
        "## Ratios and goals",
        RATIOS,
        report.table(["what", "goal", "reached", "", "round by round"], goals(measured, many)),
        "## What stands in the way",
        *obstacles({connections: _medians(rounds_) for connections, rounds_ in cpu.items()}),
    ]


def _rows(middle: dict[tuple[str, int], Figures]) -> list[list[str]]:
    return [
        [str(n), name, f"{f['p50']:.2f}", f"{f['p99']:.2f}", f"{f['rate']:.1f}", f"{f['failed']:.0f}"]
        for (name, n), f in sorted(middle.items(), key=lambda item: (item[0][1], item[0][0]))
    ]


def goals(measured: Measured, many_ms: list[float]) -> list[list[str]]:
    """What the project set out to reach, beside what it did."""
    faster = _ratios(measured, "p50", ("published", 1), ("ours", 1))
    more = _ratios(measured, "rate", ("ours", 64), ("published", 64))
    share, of_stock = (_ratios(measured, "rate", ("ours", 64), (other, 64)) for other in ("empty", "empty_stock"))
    servers = _ratios(measured, "rate", ("empty", 64), ("empty_stock", 64))
    return [
        _at_least(GOAL_FASTER, "p50 at 1 connection, published / ours", faster, "{:.1f}"),
        _at_least(GOAL_MORE, "requests/s at 64 connections, ours / published", more, "{:.1f}"),
        _at_least(GOAL_SHARE, "requests/s at 64 connections, ours / empty", share, "{:.2f}"),
        _at_least(GOAL_SHARE, "requests/s at 64 connections, ours / empty_stock", of_stock, "{:.2f}"),
        _row("requests/s at 64 connections, empty / empty_stock", "", servers, "{:.2f}"),
        _row(
            f"{MANY:,} users in one request, ms",
            f"under {GOAL_MANY_MS}",
            many_ms,
            "{:.0f}",
            max(many_ms) < GOAL_MANY_MS,
        ),
    ]


def _ratios(measured: Measured, what: str, of: tuple[str, int], to: tuple[str, int]) -> list[float]:
    return [one[what] / other[what] for one, other in zip(measured[of], measured[to], strict=True)]


def _at_least(goal: float, name: str, rounds: list[float], form: str) -> list[str]:
    return _row(name, f"{goal} or more", rounds, form, median(rounds) >= goal)


def _row(name: str, goal: str, rounds: list[float], form: str, reached: bool | None = None) -> list[str]:
    """reached: None where there is no goal."""
    verdict = "" if reached is None else "reached" if reached else "not reached"
    return [name, goal, form.format(median(rounds)), verdict, ", ".join(form.format(each) for each in rounds)]


def obstacles(spent: dict[int, Figures]) -> list[str]:
    """Who spends the processors' time, and what follows from it."""
    whole = {connections: sum(parts.values()) for connections, parts in spent.items()}
    few, many = min(spent), max(spent)
    rows = [[name, *(f"{spent[connections][name]:.2f}" for connections in spent)] for name in spent[many]]
    cores = os.cpu_count() or 1
    return [
        WAY.format(cores=cores),
        report.table(
            ["part", *(f"{connections} connection{'s' * (connections > 1)}" for connections in spent)],
            [*rows, ["together", *(f"{ms:.2f}" for ms in whole.values())]],
        ),
        BOUND.format(
            most_connections=many,
            gateway=spent[many]["gateway"],
            most=1000 / spent[many]["gateway"],
            whole=whole[many],
            all_cores=1000 * cores / whole[many],
            alone=whole[few] - spent[few]["load generator"],
            model=spent[few]["watcher"] / (whole[few] - spent[few]["load generator"]),
        ),
    ]


def _medians(rounds: list[Figures]) -> Figures:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}
