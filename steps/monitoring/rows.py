"""The monitor's results as rows of one tidy table: a figure each, with what it is of and what it means."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

Verdict = Literal["ok", "watch", "alarm", "none"]
"""none: a figure that is recorded and not judged"""
ORDER: tuple[Verdict, ...] = ("none", "ok", "watch", "alarm")

ALL, UNSEEN = "all users", "never trained on"


@dataclass(frozen=True)
class Row:
    """metric: such as AUC or PSI. slice: the users or the feature that it is of. n: users. reason: in words, for watch
    and alarm. threshold: from which the figure is a watch or an alarm."""

    metric: str
    slice: str
    n: int
    estimate: float | None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "none"
    reference: str = ""
    threshold: float | None = None
    reason: str = ""
    month: date | None = None  # None: the month that is monitored


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """ok where nothing was judged worse."""
    return max(("ok", *verdicts), key=ORDER.index)
