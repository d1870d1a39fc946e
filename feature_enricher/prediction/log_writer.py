"""Writes the prediction log: requests append to a bounded queue; a thread stores the rows, twice a second.

PostgreSQL may be down or frozen: that costs rows, which are counted, and never an answer.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from psycopg.conninfo import make_conninfo

from feature_enricher.errors.base import reason
from feature_enricher.metric_series import QUEUE_FULL, REFUSED, STOPPED, UNCONFIRMED
from feature_enricher.prediction.log_queue import LogQueue
from feature_enricher.prediction.log_rows import COPY, Answered, answered, copy_data
from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline
from feature_store.pool import OnlineReadError, OnlineReadRefused, OnlineReadTimeout, connect_by
from feature_store.postgres.libpq import CopyUnconfirmed, PostgresConnection, RowsRefused

EVERY_S = 0.5  # with the write itself, a killed process loses less than a second
ROWS_AT_ONCE = 2_000
WRITE_LIMIT_S = 5.0
LAST_FLUSH_S = 2.0
LONGEST_WAIT_S = 15.0
REPORT_EVERY_S = 30.0
WARN_FOR_S = 300.0
WRITTEN = "written"
WAITING = "Prediction log: rows wait, because PostgreSQL does not take them; see the gateway's log"

log = logging.getLogger(__name__)


class PredictionLog:
    """Thread-safe. Start it in the process that answers: threads do not survive a fork."""

    def __init__(
        self, user: str, password: str | None, share: float, count: Callable[[str, int], None], conninfo: str = ""
    ) -> None:
        """share: of the requests, 0 to 1. count: called with "written" or the reason of a loss, and rows."""
        login = {"user": user, **({"password": password} if password else {})}
        self._conninfo = make_conninfo(conninfo, application_name="prediction log", client_encoding="utf8", **login)
        self._share = share
        self._count = count
        self._queue = LogQueue()
        self._lock = threading.Lock()
        self._lost: Counter[str] = Counter()
        self._lost_at = float("-inf")
        self._problem = ""
        self._connection: PostgresConnection | None = None
        self._rows_at_once = ROWS_AT_ONCE
        self._reported, self._report_due = 0, 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def append(self, request_id: str, items: Sequence[Item], results: Sequence[Result], milliseconds: float) -> None:
        """Returns at once. Where the queue has no room, the request's rows are lost."""
        if self._share < 1 and random.random() >= self._share:  # noqa: S311 - a sample
            return
        if not self._queue.append(answered(time.time(), request_id, items, results, milliseconds)):
            self._lose(QUEUE_FULL, len(items))

    def warnings(self) -> list[str]:
        """For /ready: rows lost in the last minutes, and what keeps rows from being written."""
        with self._lock:
            lost = dict(self._lost) if time.monotonic() - self._lost_at < WARN_FOR_S else {}
        texts = [f"Prediction log: rows lost since the start: {_listed(lost)}"] if lost else []
        return [*texts, *([WAITING] if self._problem else [])]

    def close(self) -> None:
        """Writes what is queued, for at most LAST_FLUSH_S. The rest is lost."""
        self._closing.set()
        self._thread.join(LAST_FLUSH_S)
        self._lose(STOPPED, self._queue.rows)
        self._report()

    def _run(self) -> None:
        wait_s = EVERY_S
        while not self._closing.wait(wait_s):
            written = self._write_all(WRITE_LIMIT_S)
            wait_s = EVERY_S if written else min(2 * wait_s, LONGEST_WAIT_S) * random.uniform(0.8, 1)  # noqa: S311
            if time.monotonic() >= self._report_due:
                self._report()
        self._write_all(LAST_FLUSH_S)

    def _write_all(self, limit_s: float) -> bool:
        """False where rows are left for a later attempt. Each COPY may take limit_s."""
        while batch := self._queue.oldest(self._rows_at_once):
            try:
                self._store(batch, Deadline.after(limit_s))
            except Exception as error:  # noqa: BLE001 - the thread must survive for the next attempt
                if not self._failed(batch, error):
                    return False
            else:
                self._rows_at_once = min(2 * self._rows_at_once, ROWS_AT_ONCE)
                self._set_problem("")
                self._count(WRITTEN, self._queue.remove_oldest(len(batch)))
        return True

    def _failed(self, batch: Sequence[Answered], error: Exception) -> bool:
        """True where the next attempt may follow at once."""
        self._disconnect()
        if isinstance(error, RowsRefused | ValueError | TypeError):
            # the first request again, alone: the others are not refused for one, nor is one while a day is being made
            if self._rows_at_once > 1:
                self._rows_at_once = 1
                return True
            log.warning("Prediction log: a request's rows are refused: %s", reason(error))
            self._lose(REFUSED, self._queue.remove_oldest(len(batch)))
            return True
        self._set_problem(reason(error))
        if isinstance(error, CopyUnconfirmed):  # to store them again could store them twice
            self._lose(UNCONFIRMED, self._queue.remove_oldest(len(batch)))
        return False

    def _store(self, batch: Sequence[Answered], deadline: Deadline) -> None:
        data = copy_data(batch)
        if self._connection is not None:
            try:
                self._connection.copy_in(COPY, data, deadline)
            except (CopyUnconfirmed, OnlineReadRefused, OnlineReadTimeout):
                raise
            except OnlineReadError:
                self._disconnect()  # it was cut while idle: nothing was stored
            else:
                return
        self._connection = connect_by(deadline, self._connect)
        self._connection.copy_in(COPY, data, deadline)

    def _connect(self, deadline: Deadline) -> PostgresConnection:
        return PostgresConnection(self._conninfo, deadline)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _lose(self, why: str, rows: int) -> None:
        """Writes no log line: a request may call it."""
        if rows:
            self._count(why, rows)
            with self._lock:
                self._lost[why] += rows
                self._lost_at = time.monotonic()

    def _set_problem(self, text: str) -> None:
        """Logs its begin and its end."""
        before, self._problem = self._problem, text
        if text and not before:
            log.warning("Prediction log: rows wait to be written: %s", text)
        elif before and not text:
            log.warning("Prediction log: rows are written again")

    def _report(self) -> None:
        """At most one line in REPORT_EVERY_S: a full queue loses thousands of rows a second."""
        with self._lock:
            lost = dict(self._lost)
        if sum(lost.values()) > self._reported:
            self._reported, self._report_due = sum(lost.values()), time.monotonic() + REPORT_EVERY_S
            log.warning("Prediction log: rows lost since the start: %s", _listed(lost))


def _listed(lost: dict[str, int]) -> str:
    return ", ".join(f"{rows} {why}" for why, rows in sorted(lost.items()))
