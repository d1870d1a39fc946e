"""Makes the coming days of the prediction log while the stack runs: months may be loaded seldom, or never again."""

import threading

from local_stack.database import loaded_months
from local_stack.settings import Settings, StackError

EVERY_S = 6 * 3600.0


class LogDays:
    """In a thread: a server that does not answer must not stop the supervisor."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="days of the prediction log", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                loaded_months.migrate(self._settings)
            except (StackError, OSError) as error:  # the next time in hours: days are made weeks ahead
                print(f"  the coming days of the prediction log were not made: {error}", flush=True)
