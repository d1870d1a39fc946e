"""Who serves, written down: in PostgreSQL, in order, by a thread that waits for PostgreSQL when it is away."""

import logging
import queue
import threading
import time

from steps import warehouse
from steps.warehouse import Cutover

RETRY_S = 2.0
LAST_CHANCE_S = 5.0

log = logging.getLogger(__name__)


class History:
    def __init__(self, model: str) -> None:
        self._model = model
        self._waiting: queue.Queue[Cutover] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def behind(self) -> int:
        """Rows that are not in the table yet."""
        return self._waiting.unfinished_tasks

    def add(self, cutover: Cutover) -> None:
        self._waiting.put(cutover)

    def stop(self) -> None:
        """Waits a moment for the rows that are not written yet; says so when some are lost."""
        deadline = time.monotonic() + LAST_CHANCE_S
        while self.behind and time.monotonic() < deadline:
            time.sleep(0.05)
        self._stop.set()
        if self.behind:
            log.error("%d rows of the serving history could not be written", self.behind)

    def _run(self) -> None:
        has_table = False
        while not self._stop.is_set():
            try:
                cutover = self._waiting.get(timeout=RETRY_S)
            except queue.Empty:
                continue
            while not self._stop.is_set():
                try:
                    if not has_table:
                        warehouse.apply_schema()
                        has_table = True
                    warehouse.record_cutover(self._model, cutover)
                    self._waiting.task_done()
                    break
                except Exception as error:  # noqa: BLE001 - a row must not be lost, and serving must not wait for it
                    log.warning("The serving history cannot be written now: %s", type(error).__name__)
                    self._stop.wait(RETRY_S)
