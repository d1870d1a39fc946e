"""Restarts servers and PostgreSQL that ended while the stack runs, after growing waits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg2

from local_stack.database import postgres
from local_stack.processes import Service
from local_stack.settings import Settings, StackError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
RESET_AFTER_S = 60.0
# An administrator's restart stops PostgreSQL for a moment; two servers must not start on one folder.
POSTGRES_GRACE_S = 1.5


@dataclass
class _Restarts:
    count: int = 0
    started: float = 0.0
    due: float | None = None  # time of the next start; None while it runs


class Supervisor:
    def __init__(self, settings: Settings, services: Sequence[Service], save: Callable[[], None]) -> None:
        self._settings = settings
        self._services = services
        self._save = save
        self._restarts: dict[str, _Restarts] = {}
        self._postgres_gone_at: float | None = None

    def step(self) -> None:
        for service in self._services:
            if service.ended() and self._is_due(service.name, f"{service.name} {service.failure(0)}"):
                service.end_workers()
                service.start(self._settings)
                self._save()
        if self._settings.embedded:
            self._supervise_postgres()

    def _supervise_postgres(self) -> None:
        now = time.monotonic()
        if postgres.is_running(self._settings):
            self._postgres_gone_at = None
            return
        self._postgres_gone_at = self._postgres_gone_at or now
        if now - self._postgres_gone_at < POSTGRES_GRACE_S or not self._is_due("PostgreSQL", "PostgreSQL ended"):
            return
        try:
            postgres.start(self._settings)
        except (StackError, psycopg2.Error) as error:  # tried again after the next wait
            print(f"  {str(error).strip()}", flush=True)

    def _is_due(self, name: str, event: str) -> bool:
        """True if it is time to restart it. Prints `event` and the wait when the end is first noticed."""
        now, restarts = time.monotonic(), self._restarts.setdefault(name, _Restarts())
        if restarts.due is None:
            restarts.count = 0 if now - restarts.started > RESET_AFTER_S else restarts.count + 1
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**restarts.count)
            restarts.due = now + wait
            print(f"  {event}; it is restarted in {wait:g} s", flush=True)
        if now < restarts.due:
            return False
        restarts.started, restarts.due = now, None
        return True
