"""Counts a model server's answers as its clients see them. The watcher judges a new version by these counts."""

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict

from configuration import answer_report
from configuration.answer_report import AnswerCounts, AnswerReport
from feature_enricher.errors.base import NoAnswer
from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable
from feature_enricher.upstream.http_client import Upstream
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow

FAIR_S = 0.5
"""A call with less time than this, because the lookup took the rest, proves nothing when it is not answered"""


class AnswerCounter:
    """Thread-safe. client: tells this counter from those of other processes."""

    def __init__(self) -> None:
        self.client = secrets.token_hex(8)
        self.counts = AnswerCounts()
        self._lock = threading.Lock()

    @contextmanager
    def counted(self, rows: Sequence[FeatureRow], deadline: Deadline) -> Iterator[None]:
        began, had_time = time.monotonic(), deadline.left() >= FAIR_S
        try:
            yield
        except ModelRejected:
            # several rows are asked again in parts; values of the request are the client's fault
            if len(rows) == 1 and not rows[0].overridden:
                self._add(1, began, failed=True)
            raise
        except ModelUnavailable:
            if had_time:
                self._add(len(rows), began, failed=True)
            raise
        self._add(len(rows), began, failed=False)

    def _add(self, users: int, began: float, *, failed: bool) -> None:
        seconds = time.monotonic() - began
        with self._lock:
            self.counts += AnswerCounts(users, users * failed, 1, int(failed), seconds)


class AnswerReporter:
    """Sends counts to the watcher whenever they have changed. For one thread."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._sent: tuple[str, AnswerCounts] | None = None

    def send(self, url: str, counter: AnswerCounter) -> None:
        newest = (counter.client, counter.counts)
        if newest == self._sent or not newest[1].calls:
            return
        report = AnswerReport(url, counter.client, answer_report.key_of(url), newest[1])
        with suppress(NoAnswer):  # the poll notices a silent watcher
            self._upstream.post(answer_report.PATH, asdict(report))
            self._sent = newest
