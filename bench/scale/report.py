"""Writes reports/scale.md and scale.png: seconds, memory, rows/s, ratio to stock, and growth from size to size."""

import importlib.util
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import report

HOW = """\
Each stage is a process of its own, and its start is included (about two seconds of imports). Peak memory is that of \
the Python process (without Spark's Java, which may use 4 GB). `stock` is pandas `to_sql` with ON CONFLICT, Feast's \
own Postgres online store and `materialize`, and entities as an uploaded DataFrame, in the same database and the same \
run (bench/scale/stock.py). Its training set is only read, uploaded and joined, in sessions with this project's \
settings (without nested loops, 128 MB of sort memory). The project's training set is also bound to its month, joined \
with labels, hashed, described and written as an artifact. Rows are users times files (ingest), users times views \
(materialize), users (other stages). Growth is the ratio of the times divided by the ratio of the users: 1 is linear; \
below 1, fixed costs still count. Made by `make bench-scale`."""


WORSE = 1.05  # two runs of the same size differ by up to this much
WHY = {
    "ingest": "the tables no longer fit into PostgreSQL's shared memory and are written to disk during the load",
    "materialize": "the online tables' indexes are sorted on disk once they exceed maintenance_work_mem (256 MB)",
    "training set: postgres": "the join's sorts go to disk once they exceed work_mem (128 MB)",
    "training set: spark": "the join's steps go to disk once they exceed Java's memory (4 GB)",
    "train": "the rows of each fold no longer fit into the processor's cache",
    "register": "the gate's draws of validation rows no longer fit into the processor's cache",
}
PAGE = "console: "
STORES = {"look-up": "PostgreSQL", "look-up: redis": "Redis"}


@dataclass(frozen=True)
class Measured:
    """One stage at one size."""

    users: int
    stage: str
    way: str
    """`project` or `stock`"""
    seconds: float
    peak_mb: float
    figure: float | None
    """Measured by the stage itself; look-up: the median in milliseconds"""

    @property
    def rows(self) -> int:
        per_user = {
            "ingest": 6,
            "ingest again": 6,
            "ingest: the next month": 6,
            "materialize": 5,
            "materialize: redis": 5,
        }
        return self.users * per_user.get(self.stage, 1)


def spark_is_installed() -> bool:
    return importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None


def write(folder: Path, measured: Sequence[Measured]) -> None:
    folder.mkdir(exist_ok=True)
    _plot(folder / "scale.png", measured)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{report.hardware()} Load average when done: {load}."
    header = ["stage", "users", "seconds", "peak MB", "rows/s", "stock s", "stock MB", "faster than stock", "growth"]
    lines = [
        "# From thousands of users to millions",
        machine,
        HOW,
        report.table(header, _rows(measured)),
        _worse_than_linear(measured),
        *_look_ups(measured),
        *_pages(measured),
    ]
    (folder / "scale.md").write_text("\n\n".join([*lines, "![seconds by users](scale.png)"]) + "\n")


def _of_project(measured: Sequence[Measured]) -> list[Measured]:
    return [stage for stage in measured if stage.way == "project" and stage.figure is None]


def _rows(measured: Sequence[Measured]) -> list[list[str]]:
    stock = {(stage.stage, stage.users): stage for stage in measured if stage.way == "stock"}
    stages = _of_project(measured)
    return [
        [
            stage.stage,
            f"{stage.users:,}",
            f"{stage.seconds:.1f}",
            f"{stage.peak_mb:,.0f}",
            f"{stage.rows / stage.seconds:,.0f}",
            *_stock_cells(stage, stock.get((stage.stage, stage.users))),
            _growth(stage, stages),
        ]
        for stage in sorted(stages, key=lambda stage: [other.stage for other in stages].index(stage.stage))
    ]


def _stock_cells(stage: Measured, stock: Measured | None) -> list[str]:
    if stock is None:
        return ["", "", ""]
    return [f"{stock.seconds:.1f}", f"{stock.peak_mb:,.0f}", f"{stock.seconds / stage.seconds:.1f}"]


def _growth(stage: Measured, stages: Sequence[Measured]) -> str:
    growth = growth_of(stage, stages)
    return "" if growth is None else f"{growth:.2f}"


def growth_of(stage: Measured, stages: Sequence[Measured]) -> float | None:
    """Ratio of seconds to the next smaller size, divided by the ratio of users; None for the smallest size."""
    smaller = [other for other in stages if other.stage == stage.stage and other.users < stage.users]
    if not smaller:
        return None
    before = max(smaller, key=lambda other: other.users)
    return stage.seconds / before.seconds / (stage.users / before.users)


def _worse_than_linear(measured: Sequence[Measured]) -> str:
    stages = _of_project(measured)
    worse = [stage for stage in stages if (growth_of(stage, stages) or 0.0) > WORSE]
    if not worse:
        return "No stage grew more than linearly."
    lines = [f"- {stage.stage} at {stage.users:,}: {WHY.get(stage.stage, 'unknown; investigate')}." for stage in worse]
    return "\n".join(["More than linear growth, with the likely cause (by reasoning, not measured):", "", *lines])


def _look_ups(measured: Sequence[Measured]) -> list[str]:
    rows = [
        [STORES[name], f"{stage.users:,}", f"{stage.figure:.2f}"]
        for name in STORES
        for stage in measured
        if stage.stage == name and stage.figure is not None
    ]
    header = ["online store", "users online", "p50 ms"]
    return ["Reading one user's features with the gateway's reader:", report.table(header, rows)] if rows else []


def _pages(measured: Sequence[Measured]) -> list[str]:
    rows = [
        [stage.stage.removeprefix(PAGE), f"{stage.users:,}", f"{stage.figure:.0f}"]
        for stage in sorted(measured, key=lambda stage: stage.stage)
        if stage.stage.startswith(PAGE) and stage.figure is not None
    ]
    text = "Pages of the console, with a campaign of every user (bench/scale/pages.py); the goal is 300 ms:"
    return [text, report.table(["page", "users", "p50 ms"], rows)] if rows else []


def _plot(path: Path, measured: Sequence[Measured]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - once, at the end

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 5.5), dpi=110, layout="constrained")
    timed = [stage for stage in measured if stage.figure is None]
    # a stage and its stock variant share a colour; the ten default colours are too few
    colours = dict(zip(sorted({stage.stage for stage in timed}), plt.get_cmap("tab20").colors, strict=False))
    for name, way in sorted({(stage.stage, stage.way) for stage in timed}):
        line = sorted((stage.users, stage.seconds) for stage in timed if (stage.stage, stage.way) == (name, way))
        style = {"linestyle": "--", "alpha": 0.6} if way == "stock" else {}
        axes.plot(*zip(*line, strict=True), marker="o", color=colours[name], label=f"{name} ({way})", **style)
    axes.set(xscale="log", yscale="log", xlabel="users", ylabel="seconds", title="Seconds by users; dashed: stock")
    axes.legend(fontsize=7, ncols=2)
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(path)
    plt.close(figure)
