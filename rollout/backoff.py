"""How long to wait before what failed is tried again: longer each time, and forgotten once it works for a while."""

import time
from dataclasses import dataclass

from rollout.registry import Wanted

FIRST_S, LONGEST_S = 0.5, 60.0
FORGOTTEN_AFTER_S = 60.0


@dataclass
class _Failures:
    count: int
    changed_ms: int
    until: float


class Pauses:
    def __init__(self) -> None:
        self._failures: dict[object, _Failures] = {}  # by what a version is, not by its number

    def note(self, wanted: Wanted) -> None:
        now = time.monotonic()
        known = self._failures.get(wanted.identity)
        fresh = known is None or known.changed_ms != wanted.changed_ms or now - known.until > FORGOTTEN_AFTER_S
        count = 1 if known is None or fresh else known.count + 1
        pause = 0.0 if count == 1 else min(LONGEST_S, FIRST_S * 2 ** (count - 1))
        self._failures[wanted.identity] = _Failures(count, wanted.changed_ms, now + pause)

    def failed(self, wanted: Wanted) -> bool:
        """True once it has failed, as long as nobody touched it in the registry."""
        known = self._failures.get(wanted.identity)
        return known is not None and known.changed_ms == wanted.changed_ms

    def over(self, wanted: Wanted) -> bool:
        return not self.failed(wanted) or time.monotonic() >= self._failures[wanted.identity].until
