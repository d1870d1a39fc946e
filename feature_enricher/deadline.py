"""A moment by which a request must be answered, handed from part to part."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WSGI_KEY = "streamflow.deadline"
"""In the WSGI environment: the time.monotonic() by which the request must be answered"""


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
        """The earlier one of this deadline and that many seconds from now."""
        return Deadline(min(self.until, time.monotonic() + seconds))


def deadline_of(environ: Mapping[str, Any], seconds: float) -> Deadline:
    """The server's, which began when the request was there whole; without one, that many seconds from now."""
    until = environ.get(WSGI_KEY)
    return Deadline.after(seconds) if until is None else Deadline(until)
