"""From figures to places in a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    low: float
    high: float
    start: float
    """Where `low` is drawn"""
    end: float

    def __call__(self, figure: float) -> float:
        share = (figure - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round figures between both ends, about four."""
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + number) * step, 12) for number in range(count)]


def around(figures: Sequence[float], start: float, end: float) -> Scale:
    """From the smallest to the largest figure, with a little room."""
    low, high = min(figures), max(figures)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return Scale(low - room, high + room, start, end)
