"""AUC by month, a line for each version, each point with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from console.charts.scale import Scale, around

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 32
SHAPES = 6
"""Versions are told apart by a class of the stylesheet, and by the number at the line's end"""
APART = 7
"""Between the points of two versions in one month"""


@dataclass(frozen=True)
class Interval:
    version: str
    month: date
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    version: str
    style: int
    points: Sequence[Point]

    @property
    def path(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class Chart:
    lines: Sequence[Line]
    ticks: Sequence[tuple[float, float]]
    """Place and figure"""
    months: Sequence[tuple[float, date]]


def chart(measured: Sequence[Interval]) -> Chart | None:
    """None without figures."""
    if not measured:
        return None
    vertical = around(
        [end for point in measured for end in (point.low, point.high)], HEIGHT - BOTTOM, TOP
    )  # fmt: skip
    months = sorted({point.month for point in measured})
    horizontal = Scale(-0.5, len(months) - 0.5, LEFT, WIDTH - RIGHT)
    versions = sorted({point.version for point in measured}, key=lambda number: (len(number), number))
    lines = []
    for place, version in enumerate(versions):
        shift = (place - (len(versions) - 1) / 2) * APART
        own = sorted((point for point in measured if point.version == version), key=lambda point: point.month)
        points = [
            Point(round(horizontal(months.index(point.month)) + shift, 1), vertical(point.estimate),
                  vertical(point.low), vertical(point.high))
            for point in own
        ]  # fmt: skip
        lines.append(Line(version, place % SHAPES, points))
    ticks = [(vertical(tick), tick) for tick in vertical.ticks]
    return Chart(lines, ticks, [(horizontal(number), month) for number, month in enumerate(months)])
