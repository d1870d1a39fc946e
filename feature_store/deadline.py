"""The moment by which a request must be answered, passed from function to function."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    until: float
    """A time.monotonic()"""

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds, never below 0."""
        return max(0.0, self.until - time.monotonic())

    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.until, time.monotonic() + seconds))
