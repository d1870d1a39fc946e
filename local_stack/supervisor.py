"""Brings back what ended while the stack runs: its servers and PostgreSQL, after pauses that grow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local_stack.database import postgres
from local_stack.processes import Part
from local_stack.settings import Settings, StackError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_AFTER_S = 60.0
# A restart by somebody else leaves PostgreSQL away for a moment; two servers must not race for its folder.
POSTGRES_AWAY_S = 1.5


@dataclass
class _Ends:
    count: int = 0
    started: float = 0.0
    due: float | None = None  # when to start it again, once its end was noticed


class Care:
    def __init__(self, settings: Settings, parts: Sequence[Part], save: Callable[[], None]) -> None:
        self._settings = settings
        self._parts = parts
        self._save = save
        self._ends: dict[str, _Ends] = {}
        self._postgres_away: float | None = None

    def step(self) -> None:
        for part in self._parts:
            if part.ended() and self._is_due(part.name, f"{part.name} {part.fate(0)}"):
                part.end_what_is_left()
                part.start(self._settings)
                self._save()
        if self._settings.embedded:
            self._care_for_postgres()

    def _care_for_postgres(self) -> None:
        now = time.monotonic()
        if postgres.is_running(self._settings):
            self._postgres_away = None
            return
        self._postgres_away = self._postgres_away or now
        if now - self._postgres_away < POSTGRES_AWAY_S or not self._is_due("PostgreSQL", "PostgreSQL ended"):
            return
        try:
            postgres.start(self._settings)
        except StackError as error:
            print(f"  {error}", flush=True)

    def _is_due(self, name: str, what: str) -> bool:
        """Whether to start it now. The end is said when it is first seen, with the pause that is kept after it."""
        now, ends = time.monotonic(), self._ends.setdefault(name, _Ends())
        if ends.due is None:
            ends.count = 0 if now - ends.started > STEADY_AFTER_S else ends.count + 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**ends.count)
            ends.due = now + pause
            print(f"  {what}; it is started again in {pause:g} s", flush=True)
        if now < ends.due:
            return False
        ends.started, ends.due = now, None
        return True
