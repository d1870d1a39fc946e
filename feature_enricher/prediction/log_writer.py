"""Writes the prediction log: requests append to a bounded queue; a thread stores the rows, about every second.

PostgreSQL may be down or frozen: that costs rows, which are counted, and never an answer.
"""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

from psycopg.conninfo import make_conninfo

from feature_enricher.errors.base import reason
from feature_enricher.prediction.log_rows import COPY, Answered, lines
from feature_enricher.prediction.predictor import Item, Result
from feature_store import background
from feature_store.deadline import Deadline
from feature_store.pool import OnlineReadError, OnlineReadRefused, OnlineReadTimeout
from feature_store.postgres.libpq import CopyUnconfirmed, PostgresConnection

EVERY_S = 1.0
MOST_ROWS = 20_000  # in the queue; about 40 MB
ROWS_AT_ONCE = 5_000
WRITE_LIMIT_S = 5.0
LAST_FLUSH_S = 2.0
LONGEST_WAIT_S = 15.0
WARN_EVERY_S = 30.0
WARN_FOR_S = 300.0
QUEUE_FULL, UNCONFIRMED, REFUSED, STOPPED = "queue_full", "unconfirmed", "refused", "stopped"

log = logging.getLogger(__name__)


class PredictionLog:
    """Thread-safe. Start it in the process that answers: threads do not survive a fork."""

    def __init__(
        self, user: str, password: str | None, share: float, count: Callable[[str, int], None], conninfo: str = ""
    ) -> None:
        """share: of the requests, 0 to 1. count: called with "written" or the reason of a loss, and rows."""
        self._conninfo = make_conninfo(
            conninfo, user=user, application_name="prediction log", client_encoding="utf8",
            **({"password": password} if password else {}),
        )  # fmt: skip
        self._share = share
        self._count = count
        self._lock = threading.Lock()
        self._queue: deque[Answered] = deque()
        self._rows = 0
        self._lost: Counter[str] = Counter()
        self._lost_at = self._warned_at = float("-inf")
        self._problem = ""
        self._connection: PostgresConnection | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def append(self, request_id: str, items: Sequence[Item], results: Sequence[Result], milliseconds: float) -> None:
        """Returns at once. Where the queue has no room, the request's rows are lost."""
        if self._share < 1 and random.random() >= self._share:  # noqa: S311 - a sample
            return
        answered = Answered(time.time(), request_id, items, results, milliseconds)
        with self._lock:
            if self._rows + len(items) <= MOST_ROWS:
                self._queue.append(answered)
                self._rows += len(items)
                return
        self._lose(QUEUE_FULL, len(items))

    def warnings(self) -> list[str]:
        """For /ready: rows lost in the last minutes, and what keeps rows from being written."""
        lost = dict(self._lost) if time.monotonic() - self._lost_at < WARN_FOR_S else {}
        by_reason = ", ".join(f"{rows} {why}" for why, rows in lost.items())
        texts = [f"Prediction log: rows lost since the start: {by_reason}"] if lost else []
        return [*texts, *([f"Prediction log: rows wait to be written: {self._problem}"] if self._problem else [])]

    def close(self) -> None:
        """Writes what is queued, for at most LAST_FLUSH_S."""
        self._closing.set()
        self._thread.join(LAST_FLUSH_S)

    def _run(self) -> None:
        wait_s = EVERY_S
        while not self._closing.wait(wait_s):
            wait_s = EVERY_S if self._write_all(WRITE_LIMIT_S) else min(2 * wait_s, LONGEST_WAIT_S)
        if not self._write_all(LAST_FLUSH_S):
            self._lose(STOPPED, self._rows)

    def _write_all(self, limit_s: float) -> bool:
        """False where rows are left for a later attempt."""
        while batch := self._first():
            try:
                self._store(batch, Deadline.after(limit_s))
            except Exception as error:  # noqa: BLE001 - the thread must survive for the next attempt
                self._disconnect()
                self._problem = "PostgreSQL did not take them; see the gateway's log"
                self._warn(f"cannot write: {reason(error)}")
                if not isinstance(error, CopyUnconfirmed | OnlineReadRefused | ValueError | TypeError):
                    return False
                rows = self._remove(batch)  # again could store them twice, or be refused for ever
                self._lose(UNCONFIRMED if isinstance(error, CopyUnconfirmed) else REFUSED, rows)
                continue
            self._problem = ""
            self._count("written", self._remove(batch))
        return True

    def _first(self) -> list[Answered]:
        """They stay in the queue, and count for its limit, until they are written."""
        batch: list[Answered] = []
        rows = 0
        with self._lock:
            for answered in self._queue:
                batch.append(answered)
                rows += len(answered.items)
                if rows >= ROWS_AT_ONCE:
                    break
        return batch

    def _remove(self, batch: Sequence[Answered]) -> int:
        rows = sum(len(answered.items) for answered in batch)
        with self._lock:
            for _ in batch:
                self._queue.popleft()
            self._rows -= rows
        return rows

    def _store(self, batch: Sequence[Answered], deadline: Deadline) -> None:
        data = b"".join(line for answered in batch for line in lines(answered))
        if self._connection is not None:
            try:
                self._connection.copy_in(COPY, data, deadline)
            except (CopyUnconfirmed, OnlineReadRefused, OnlineReadTimeout):
                raise
            except OnlineReadError:
                self._disconnect()  # it was cut while idle: nothing was stored
            else:
                return
        self._connection = self._connected(deadline)
        self._connection.copy_in(COPY, data, deadline)

    def _connected(self, deadline: Deadline) -> PostgresConnection:
        """In a thread of its own: a host's name is looked up without a time limit."""
        connecting = background.begin(partial(PostgresConnection, self._conninfo, deadline))
        return connecting.result(deadline.left())

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _lose(self, why: str, rows: int) -> None:
        if rows:
            self._count(why, rows)
            self._lost[why] += rows
            self._lost_at = time.monotonic()
            self._warn(f"rows lost since the start: {dict(self._lost)}")

    def _warn(self, text: str) -> None:
        """At most one line in WARN_EVERY_S: a full queue loses thousands of rows a second."""
        if time.monotonic() - self._warned_at >= WARN_EVERY_S:
            self._warned_at = time.monotonic()
            log.warning("Prediction log: %s", text)
