"""The expected gain by the number of contacted users."""

from collections.abc import Sequence
from dataclasses import dataclass

from console.charts.scale import Scale

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 12, 32


@dataclass(frozen=True)
class Curve:
    path: str
    gains: Sequence[tuple[float, float]]
    """Place and figure"""
    sizes: Sequence[tuple[float, float]]


def chart(points: Sequence[tuple[int, float]]) -> Curve | None:
    """None for fewer than two points."""
    if len(points) < 2:  # noqa: PLR2004 - a line has two
        return None
    across = Scale(0, points[-1][0], LEFT, WIDTH - RIGHT)
    up = Scale(0, max(gain for _users, gain in points), HEIGHT - BOTTOM, TOP)
    path = " ".join(f"{across(users)},{up(gain)}" for users, gain in [(0, 0.0), *points])
    return Curve(path, [(up(tick), tick) for tick in up.ticks], [(across(tick), tick) for tick in across.ticks])
