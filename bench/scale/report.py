"""reports/scale.md and scale.png: seconds, memory, rows a second, ratio to stock, and growth from size to size."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import report

HOW = """\
Each stage is a process of its own, its start included (about two seconds of imports); peak memory is that of the \
Python process (the Java of Spark, which may take 4 GB, is not in it). `stock` is pandas `to_sql` with ON CONFLICT, \
Feast's own Postgres online store and `materialize`, and entities as an uploaded DataFrame, in the same database and \
the same run (bench/scale/stock.py). Its training set is read, uploaded and joined, in sessions with our settings \
(without nested loops, 128 MB to sort in), and no more; ours is also tied to its month, joined with labels, hashed, \
described and written as an artifact. Rows are users times files (ingest), users times views (materialize), users (the \
rest). Growth is how many times longer it took, divided by how many times more users there were: 1 is a straight line; \
below it, fixed costs still count. Made by `make bench-scale`."""


WORSE = 1.05  # below it, two runs of the same differ as much
WHY = {
    "ingest": "the tables no longer fit into PostgreSQL's shared memory, and are written to disk while it loads",
    "materialize": "the online tables' indexes are sorted on disk once they exceed maintenance_work_mem (256 MB)",
    "training set: postgres": "the join's sorts go to disk once they exceed work_mem (128 MB)",
    "training set: spark": "the join's steps go to disk once they exceed Java's memory (4 GB)",
    "train": "the rows of each fold no longer fit into the processor's cache",
    "register": "the gate's draws of validation rows no longer fit into the processor's cache",
}
STORES = {"look-up": "PostgreSQL", "look-up: redis": "Redis"}


@dataclass(frozen=True)
class Measured:
    """figure: what the stage itself measured, where it did (look-up: the median in milliseconds)."""

    users: int
    stage: str
    way: str
    seconds: float
    peak_mb: float
    figure: float | None

    @property
    def rows(self) -> int:
        per_user = {"ingest": 6, "ingest again": 6, "materialize": 5, "materialize: redis": 5}
        return self.users * per_user.get(self.stage, 1)


def spark_is_there() -> bool:
    return importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None


def write(folder: Path, found: Sequence[Measured]) -> None:
    folder.mkdir(exist_ok=True)
    _plot(folder / "scale.png", found)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{os.cpu_count()} cores, {platform.machine()}; load average when done: {load}."
    header = ["stage", "users", "seconds", "peak MB", "rows/s", "stock s", "stock MB", "faster than stock", "growth"]
    lines = [
        "# From thousands of users to millions",
        machine,
        HOW,
        report.table(header, _rows(found)),
        _worse_than_linear(found),
        *_look_ups(found),
    ]
    (folder / "scale.md").write_text("\n\n".join([*lines, "![seconds by users](scale.png)"]) + "\n")


def _rows(found: Sequence[Measured]) -> list[list[str]]:
    stock = {(one.stage, one.users): one for one in found if one.way == "stock"}
    ours = [one for one in found if one.way == "ours" and one.figure is None]
    return [
        [
            one.stage,
            f"{one.users:,}",
            f"{one.seconds:.1f}",
            f"{one.peak_mb:,.0f}",
            f"{one.rows / one.seconds:,.0f}",
            *_beside(one, stock.get((one.stage, one.users))),
            _growth(one, ours),
        ]
        for one in sorted(ours, key=lambda one: [other.stage for other in ours].index(one.stage))
    ]


def _beside(one: Measured, stock: Measured | None) -> list[str]:
    if stock is None:
        return ["", "", ""]
    return [f"{stock.seconds:.1f}", f"{stock.peak_mb:,.0f}", f"{stock.seconds / one.seconds:.1f}"]


def _growth(one: Measured, ours: Sequence[Measured]) -> str:
    growth = growth_of(one, ours)
    return "" if growth is None else f"{growth:.2f}"


def growth_of(one: Measured, ours: Sequence[Measured]) -> float | None:
    smaller = [other for other in ours if other.stage == one.stage and other.users < one.users]
    if not smaller:
        return None
    before = max(smaller, key=lambda other: other.users)
    return one.seconds / before.seconds / (one.users / before.users)


def _worse_than_linear(found: Sequence[Measured]) -> str:
    ours = [one for one in found if one.way == "ours" and one.figure is None]
    worse = [one for one in ours if (growth_of(one, ours) or 0.0) > WORSE]
    if not worse:
        return "Nothing grew worse than a straight line."
    lines = [f"- {one.stage} at {one.users:,}: {WHY.get(one.stage, 'not known; look into it')}." for one in worse]
    return "\n".join(
        ["Worse than a straight line, with what is likely behind it (by reasoning, not measured):", "", *lines]
    )


def _look_ups(found: Sequence[Measured]) -> list[str]:
    rows = [
        [STORES[one.stage], f"{one.users:,}", f"{one.figure:.2f}"]
        for stage in STORES
        for one in found
        if one.stage == stage and one.figure is not None
    ]
    header = ["online store", "users online", "p50 ms"]
    return ["One user's features, by the gateway's reader:", report.table(header, rows)] if rows else []


def _plot(path: Path, found: Sequence[Measured]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - once, at the end

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 5.5), dpi=110, layout="constrained")
    timed = [one for one in found if one.figure is None]
    # a stage and its stock way share a colour; of the ten usual ones there are too few
    colours = dict(zip(sorted({one.stage for one in timed}), plt.get_cmap("tab20").colors, strict=False))
    for stage, way in sorted({(one.stage, one.way) for one in timed}):
        line = sorted((one.users, one.seconds) for one in timed if (one.stage, one.way) == (stage, way))
        style = {"linestyle": "--", "alpha": 0.6} if way == "stock" else {}
        axes.plot(*zip(*line, strict=True), marker="o", color=colours[stage], label=f"{stage} ({way})", **style)
    axes.set(
        xscale="log", yscale="log", xlabel="users", ylabel="seconds", title="Seconds by users; dashed: the stock way"
    )
    axes.legend(fontsize=7, ncols=2)
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(path)
    plt.close(figure)
