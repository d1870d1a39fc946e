"""Reasons as bars to both sides of a middle line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 160, 16
MIDDLE = WIDTH / 2
SCALES = {
    "log_odds": "log-odds: 0 is as likely as not, and 1 more makes the odds of leaving 2.7 times as large",
    "probability": "probability, before calibration",
}


@dataclass(frozen=True)
class Bar:
    feature: str
    value: Any
    contribution: float
    direction: str
    """`raises`, `lowers`, or what else the gateway says"""
    x: float
    width: float

    @property
    def style(self) -> str:
        return "bar-up" if self.contribution > 0 else "bar-down"


@dataclass(frozen=True)
class Bars:
    bars: Sequence[Bar]
    scale: str
    """In words"""
    base_value: float
    rest: float
    """What the features without a bar contribute"""
    score: float


def largest(*reasons: Mapping[str, Any]) -> float:
    """The contribution that gets the longest bar, so that the bars of two answers can be compared."""
    return max((abs(entry["contribution"]) for reason in reasons for entry in reason.get("features", [])), default=0.0)


def chart(reasons: Mapping[str, Any], longest: float) -> Bars | None:
    """None without reasons."""
    if not reasons:
        return None
    bars = [_bar(entry, longest) for entry in reasons["features"]]
    scale = SCALES.get(reasons["scale"], reasons["scale"])
    return Bars(bars, scale, reasons["base_value"], reasons["other_features"], reasons["score"])


def _bar(entry: Mapping[str, Any], longest: float) -> Bar:
    contribution = float(entry["contribution"])
    width = abs(contribution) / longest * MIDDLE if longest else 0.0
    start = MIDDLE if contribution > 0 else MIDDLE - width
    return Bar(entry["feature"], entry["value"], contribution, entry["direction"], round(start, 1), round(width, 1))
