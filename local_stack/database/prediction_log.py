"""The prediction log's coming days, made while the stack runs, since months may be loaded seldom or never again; and
its rows, for the benchmarks."""

import threading
from typing import Any

from local_stack.database import loaded_months, postgres
from local_stack.settings import Settings, StackError

EVERY_S = 6 * 3600.0
ROWS = "SELECT count(*) FROM prediction_log WHERE code = 'ok'"
DISTINCT = (
    "SELECT DISTINCT model_version, features::text, prediction, probability FROM prediction_log WHERE code = 'ok'"
)
WRITERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'prediction log'"


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


def predictions(settings: Settings) -> int:
    """The number of rows of users that got a prediction."""
    [[rows]] = _query(settings, ROWS)
    return int(rows)


def distinct_predictions(settings: Settings) -> list[tuple[str, str, int, float]]:
    """Version, values as JSON, class and probability."""
    return [(version, values, prediction, share) for version, values, prediction, share in _query(settings, DISTINCT)]


def writers(settings: Settings) -> list[int]:
    """PostgreSQL's processes that serve the gateway's writers."""
    return [pid for (pid,) in _query(settings, WRITERS)]


def _query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    return postgres.query(settings, settings["PGDATABASE"], statement, {})
