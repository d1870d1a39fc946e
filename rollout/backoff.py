"""How long to wait before a failed launch is repeated: longer each time, reset once a version has run for a while."""

import time
from dataclasses import dataclass

from rollout.registry import TargetVersion

FIRST_S, LONGEST_S = 0.5, 60.0
RESET_AFTER_S = 60.0


@dataclass
class _Failures:
    count: int
    changed_ms: int
    until: float


class Backoff:
    def __init__(self) -> None:
        self._failures: dict[object, _Failures] = {}  # by the version's identity: its number can be reused

    def record_failure(self, target: TargetVersion) -> None:
        now = time.monotonic()
        last = self._failures.get(target.identity)
        is_first = last is None or last.changed_ms != target.changed_ms or now - last.until > RESET_AFTER_S
        count = 1 if last is None or is_first else last.count + 1
        wait = 0.0 if count == 1 else min(LONGEST_S, FIRST_S * 2 ** (count - 1))
        self._failures[target.identity] = _Failures(count, target.changed_ms, now + wait)

    def allows(self, target: TargetVersion) -> bool:
        """True when the version may be launched now. A change in the registry clears its failures."""
        last = self._failures.get(target.identity)
        return last is None or last.changed_ms != target.changed_ms or time.monotonic() >= last.until
