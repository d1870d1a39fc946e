"""The measured profit by length of the list: by expected gain, and by probability alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.charts.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from console.charts.scale import Scale, around


@dataclass(frozen=True)
class ProfitCurve:
    by_gain: str
    by_probability: str
    profits: Sequence[tuple[float, float]]
    """Place and figure"""
    shares: Sequence[tuple[float, float]]
    this_list: float
    zero: float


def chart(profit: Mapping[str, Any]) -> ProfitCurve:
    curve = profit["curve"]
    up = around([0.0, *(figure for _share, *figures in curve for figure in figures)], HEIGHT - BOTTOM, TOP)
    across = Scale(0, 1, LEFT, WIDTH - RIGHT)
    by_gain, by_probability = (
        " ".join(f"{across(point[0])},{up(point[place])}" for point in curve) for place in (1, 2)
    )
    profits, shares = [(up(tick), tick) for tick in up.ticks], [(across(tick), tick) for tick in across.ticks]
    return ProfitCurve(by_gain, by_probability, profits, shares, across(profit["share"]), up(0.0))
