"""Records in PostgreSQL which version served when, and the watcher's decisions, in order; a thread waits while
PostgreSQL is unavailable."""

import logging
import queue
import threading
import time

from rollout.errors import first_line
from steps import warehouse
from steps.warehouse import Cutover, Decision

RETRY_S = 2.0
STOP_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class HistoryRecorder:
    def __init__(self, model: str) -> None:
        self._model = model
        self._queue: queue.Queue[Cutover | Decision] = queue.Queue()
        self._stop = threading.Event()
        self._has_table = self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def behind(self) -> int:
        """Number of rows not yet written."""
        return self._queue.unfinished_tasks

    def add(self, row: Cutover | Decision) -> None:
        self._queue.put(row)

    def stop(self) -> None:
        """Wait up to STOP_TIMEOUT_S for the rows not yet written; log how many are lost."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.behind and time.monotonic() < deadline:
            time.sleep(0.05)
        self._stop.set()
        if self.behind:
            log.error("%d rows of the serving history could not be written", self.behind)

    def _run(self) -> None:
        while True:
            row = self._queue.get()
            while not self._is_written(row) and not self._stop.wait(RETRY_S):
                pass

    def _is_written(self, row: Cutover | Decision) -> bool:
        try:
            if not self._has_table:
                warehouse.apply_schema()
                self._has_table = True
            if isinstance(row, Decision):
                warehouse.record_decision(self._model, row)
            else:
                warehouse.record_cutover(self._model, row)
        except Exception as error:  # noqa: BLE001 - no row may be lost, and serving must not wait for it
            if not self._is_failing:
                log.warning("The serving history cannot be written; rows wait: %s", first_line(error))
            self._is_failing = True
            return False
        self._is_failing = False
        self._queue.task_done()
        return True
