"""Reads the warehouse for /metrics, in its own thread: PostgreSQL may be down or hang, which only costs metrics."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from rollout.errors import first_line
from steps import warehouse
from steps.warehouse import Observation

READ_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Readings:
    """The last successful reading, and when it was made."""

    def __init__(
        self, version: Callable[[], str | None], read: Callable[[str | None], Observation] = warehouse.observe
    ) -> None:
        """version: the one whose figures are shown."""
        self._version = version
        self._read = read
        self._is_failing = False
        self.newest: Observation | None = None
        self.read_at: datetime | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="readings", daemon=True).start()

    def _run(self) -> None:
        waiting = threading.Event()
        while True:
            self.refresh()
            waiting.wait(READ_EVERY_S)

    def refresh(self) -> None:
        try:
            newest = self._read(self._version())
        except Exception as error:  # noqa: BLE001 - the next reading may succeed; the metric's age shows the failure
            if not self._is_failing:
                log.warning("/metrics shows old values of the warehouse, which cannot be read: %s", first_line(error))
            self._is_failing = True
            return
        self.newest, self.read_at, self._is_failing = newest, datetime.now(UTC), False
