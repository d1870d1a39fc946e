"""The monitor's pictures. Each title names the users in it; a picture without data is not drawn."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from sklearn.calibration import CalibrationDisplay

from steps.monitoring.assessment import Subject
from steps.monitoring.rows import UNSEEN, Row
from steps.training.plots import TALL_INCHES, draw

BINS = 10
Pictures = list[tuple[str, Path]]
"""Caption and file"""


class RealisedAuc(NamedTuple):
    """Of users never trained on, in a month."""

    version: str
    month: date
    estimate: float
    low: float
    high: float


def draw_all(folder: Path, subject: Subject, rows: Sequence[Row], realised: Sequence[RealisedAuc]) -> Pictures:
    """realised: of all versions and months that were monitored, this one included."""
    return [
        *_auc_by_month(folder, realised),
        *_drift(folder, rows),
        *_distribution(folder, subject),
        *_calibration(folder, subject),
        *_slices(folder, rows),
    ]


def _auc_by_month(folder: Path, realised: Sequence[RealisedAuc]) -> Pictures:
    if not realised:
        return []
    months = sorted({auc.month for auc in realised})
    versions = sorted({auc.version for auc in realised}, key=int)

    def lines(axes: Axes) -> None:
        for place, version in enumerate(versions):
            own = sorted((auc for auc in realised if auc.version == version), key=lambda auc: auc.month)
            values = np.array([auc.estimate for auc in own])
            errors = np.array([[auc.estimate - auc.low, auc.high - auc.estimate] for auc in own]).T
            offset = (place - (len(versions) - 1) / 2) * 0.06
            positions = np.array([months.index(auc.month) for auc in own]) + offset
            axes.errorbar(positions, values, errors, fmt="o-", capsize=3, label=f"version {version}")
        axes.axhline(0.5, color="0.5", linestyle="--", linewidth=1)
        axes.annotate("a coin", (0, 0.5), xytext=(0, 3), textcoords="offset points", fontsize=8, color="0.4")
        axes.set_xticks(range(len(months)), [str(month) for month in months], rotation=30, ha="right")
        axes.margins(x=0.15)
        axes.legend()

    path = folder / "auc_by_month.png"
    title = f"Realised AUC by month and version\nusers {UNSEEN}, 95% intervals"
    draw(path, title, lines, ("", "AUC"))
    return [(title.replace("\n", ": "), path)]


def _drift(folder: Path, rows: Sequence[Row]) -> Pictures:
    effects = [row for row in rows if row.metric == "PSI" and row.estimate is not None]
    if not effects:
        return []
    references = list(dict.fromkeys(row.reference for row in effects))
    names = list(dict.fromkeys(row.slice for row in effects))[::-1]

    def bars(axes: Axes) -> None:
        height = 0.8 / len(references)
        for place, reference in enumerate(references):
            own = {row.slice: row for row in effects if row.reference == reference}
            at = [names.index(name) + (place - (len(references) - 1) / 2) * -height for name in own]
            axes.barh(at, [row.estimate or 0 for row in own.values()], height, label=reference)
            limits = [row.threshold or 0 for row in own.values()]
            axes.scatter(limits, at, marker="|", color="0.1", s=60, label="threshold" if not place else None, zorder=3)
        axes.set_yticks(range(len(names)), names)
        axes.legend(fontsize=8)

    path = folder / "drift.png"
    draw(path, "Drift by feature, and its threshold", bars, ("PSI", ""), (TALL_INCHES[0], 7.0))
    return [("Drift by feature, and its threshold", path)]


def _distribution(folder: Path, subject: Subject) -> Pictures:
    now, day = subject.now.unseen, subject.now.sample.as_of
    groups = {f"{day}: {len(now):,} users": now}
    if subject.training:
        before = subject.training.probability
        groups |= {f"validation {subject.training.sample.as_of}: {len(before):,} users": before}
    groups = {name: values for name, values in groups.items() if len(values)}
    if not groups:
        return []

    def histograms(axes: Axes) -> None:
        for name, values in groups.items():
            axes.hist(values, bins=40, range=(0, 1), density=True, histtype="step", linewidth=1.5, label=name)
        axes.legend()

    title = f"Distribution of scores\nusers {UNSEEN}"
    path = folder / "distribution.png"
    draw(path, title, histograms, ("probability of leaving", "density"))
    return [(title.replace("\n", ": "), path)]


def _calibration(folder: Path, subject: Subject) -> Pictures:
    day = subject.newest_labelled
    users = subject.labelled[day].unseen if day else None
    if users is None or not users.left.any():
        return []

    def curve(axes: Axes) -> None:
        CalibrationDisplay.from_predictions(
            users.left, users.probability, ax=axes, n_bins=BINS, strategy="quantile", name="this version"
        )

    title = f"Calibration in {day}\n{len(users.left):,} users {UNSEEN}"
    path = folder / "calibration.png"
    draw(path, title, curve, (f"mean of a bin ({BINS} bins of equally many users)", "share who left"))
    return [(title.replace("\n", ": "), path)]


def _slices(folder: Path, rows: Sequence[Row]) -> Pictures:
    measured = [row for row in rows if row.metric == "AUC" and "=" in row.slice and row.estimate is not None]
    if not measured:
        return []
    values = np.array([row.estimate for row in measured], dtype=np.float64)
    errors = np.abs(np.array([[row.low, row.high] for row in measured], dtype=np.float64).T - values)

    def points(axes: Axes) -> None:
        axes.errorbar(values, range(len(measured)), xerr=errors, fmt="o", capsize=3)
        axes.set_yticks(range(len(measured)), [f"{row.slice} ({row.n:,})" for row in measured])
        axes.axvline(0.5, color="0.5", linestyle="--", linewidth=1)
        axes.invert_yaxis()

    title = f"AUC by slice in {measured[0].month}\nusers {UNSEEN}, 95% intervals"
    path = folder / "slices.png"
    draw(path, title, points, ("AUC", ""), TALL_INCHES)
    return [(title.replace("\n", ": "), path)]
