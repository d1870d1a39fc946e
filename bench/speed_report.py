"""reports/benchmarks.md: measurements, goals, and processor time per service."""

import os
from statistics import median

from bench import report

Figures = dict[str, float]
FiguresPerRound = dict[tuple[str, int], list[Figures]]
"""(system, number of connections) -> one entry per round"""
CpuPerRound = dict[int, list[Figures]]
"""Number of connections -> processor milliseconds per request to the gateway, by service; one entry per round"""

MANY = 1_000
GOAL_FASTER, GOAL_MORE, GOAL_SHARE, GOAL_WITH_LOG, GOAL_MANY_MS = 10, 100, 0.5, 0.95, 400
HOW = """\
Medians of {rounds} rounds of {seconds:g} s per measurement. Within a round the systems take turns; users are drawn at \
random. Latency is measured at the client. `gateway`: this project. `without_log`: the same without its prediction \
log. `published`: the usual tutorial design, one \
process under gunicorn with 8 threads, per request Feast's own lookup and a RandomForest with n_jobs=-1 \
(bench/testbed/published_app.py). `empty`: a Flask application that does no work, with the gateway's JSON library, an \
answer of the same size, and the gateway's server, threads and batches (bench/testbed/empty_app.py). `empty_stock`: \
the same application under stock gunicorn with 8 threads. Made by `make bench`."""
RATIOS = """\
A ratio compares two systems within one round. Shown: the median of the rounds' ratios, then the ratio of each round. \
The third row is the share of the speed that remains with the prediction log; the fourth is the share of the server's \
speed that remains with the gateway's work; the fifth compares with a server without any code of this project; the \
sixth compares the two servers."""
CPU = """\
Processor milliseconds per request, by service, child processes included (the watcher's are the model server's). \
{cores} cores provide {cores} ms of processor time in each millisecond, and one Python process uses at most 1 ms:"""
BOUND = """\
At {most_connections} connections the gateway, one process with {gateway:.2f} ms per request, cannot exceed {most:.0f} \
requests/s even on an idle machine. With {whole:.2f} ms in all, this machine with the load generator on it cannot \
exceed {all_cores:.0f} requests/s. At one connection nothing overlaps: {alone:.2f} ms of work make up the answer's \
time except for hand-overs, and {model:.0%} of them are the model server's. Other programs (see the load average) \
reduce all of this."""


def paragraphs(
    *, machine: str, measured: FiguresPerRound, many: list[float], cpu: CpuPerRound, seconds: float, rounds: int
) -> list[str]:
    middle = {key: _medians(all_rounds) for key, all_rounds in measured.items()}
    return [
        "# Benchmarks",
        machine,
        HOW.format(rounds=rounds, seconds=seconds),
        report.table(["connections", "system", "p50 ms", "p99 ms", "requests/s", "not answered 200"], _rows(middle)),
        "## Ratios and goals",
        RATIOS,
        report.table(["ratio", "goal", "measured", "", "each round"], goals(measured, many)),
        "## Limits",
        *limits({connections: _medians(rounds_) for connections, rounds_ in cpu.items()}),
    ]


def _rows(middle: dict[tuple[str, int], Figures]) -> list[list[str]]:
    return [
        [str(n), name, f"{f['p50']:.2f}", f"{f['p99']:.2f}", f"{f['rate']:.1f}", f"{f['failed']:.0f}"]
        for (name, n), f in sorted(middle.items(), key=lambda item: (item[0][1], item[0][0]))
    ]


def goals(measured: FiguresPerRound, many_ms: list[float]) -> list[list[str]]:
    """The project's goals, each with its measurement."""
    faster = _ratios(measured, "p50", ("published", 1), ("gateway", 1))
    more = _ratios(measured, "rate", ("gateway", 64), ("published", 64))
    share, of_stock = (_ratios(measured, "rate", ("gateway", 64), (other, 64)) for other in ("empty", "empty_stock"))
    logged = _ratios(measured, "rate", ("gateway", 64), ("without_log", 64))
    servers = _ratios(measured, "rate", ("empty", 64), ("empty_stock", 64))
    return [
        _at_least(GOAL_FASTER, "p50 at 1 connection, published / gateway", faster, "{:.1f}"),
        _at_least(GOAL_MORE, "requests/s at 64 connections, gateway / published", more, "{:.1f}"),
        _at_least(GOAL_WITH_LOG, "requests/s at 64 connections, gateway / without_log", logged, "{:.2f}"),
        _at_least(GOAL_SHARE, "requests/s at 64 connections, gateway / empty", share, "{:.2f}"),
        _at_least(GOAL_SHARE, "requests/s at 64 connections, gateway / empty_stock", of_stock, "{:.2f}"),
        _row("requests/s at 64 connections, empty / empty_stock", "", servers, "{:.2f}"),
        _row(
            f"{MANY:,} users in one request, ms",
            f"under {GOAL_MANY_MS}",
            many_ms,
            "{:.0f}",
            all(ms < GOAL_MANY_MS for ms in many_ms),  # NaN if the gateway refused them
        ),
    ]


def _ratios(
    measured: FiguresPerRound, figure: str, numerator: tuple[str, int], denominator: tuple[str, int]
) -> list[float]:
    return [a[figure] / b[figure] for a, b in zip(measured[numerator], measured[denominator], strict=True)]


def _at_least(goal: float, name: str, rounds: list[float], form: str) -> list[str]:
    return _row(name, f"{goal} or more", rounds, form, median(rounds) >= goal)


def _row(name: str, goal: str, rounds: list[float], form: str, reached: bool | None = None) -> list[str]:
    """reached: None where there is no goal."""
    verdict = "" if reached is None else "reached" if reached else "not reached"
    return [name, goal, form.format(median(rounds)), verdict, ", ".join(form.format(value) for value in rounds)]


def limits(spent: dict[int, Figures]) -> list[str]:
    """spent: number of connections -> processor milliseconds per request, by service. The limits that follow."""
    whole = {connections: sum(services.values()) for connections, services in spent.items()}
    few, many = min(spent), max(spent)
    rows = [[name, *(f"{spent[connections][name]:.2f}" for connections in spent)] for name in spent[many]]
    cores = os.cpu_count() or 1
    return [
        CPU.format(cores=cores),
        report.table(
            ["service", *(f"{connections} connection{'s' * (connections > 1)}" for connections in spent)],
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
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}
