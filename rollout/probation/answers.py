"""What the gateways report of model servers' answers, added up over all their processes."""

import hmac
import threading
from http import HTTPStatus

from configuration import answer_report
from configuration.answer_report import AnswerCounts

MOST_CLIENTS = 1000
"""Per model server: processes of gateways, and those before their restarts"""


class ReportedAnswers:
    """Thread-safe: reports come in the control port's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, str] = {}
        self._counts: dict[str, dict[str, AnswerCounts]] = {}

    def expect(self, url: str, key: str) -> None:
        """From now on, take reports about the server at this address, with this key."""
        with self._lock:
            self._keys[url] = key
            self._counts.setdefault(url, {})

    def forget(self, url: str) -> None:
        with self._lock:
            self._keys.pop(url, None)
            self._counts.pop(url, None)

    def of(self, url: str) -> AnswerCounts:
        with self._lock:
            return sum(self._counts.get(url, {}).values(), AnswerCounts())

    def take(self, body: bytes) -> HTTPStatus:
        """The status for the gateway. Reports about a server that has ended are of no use, and no error."""
        try:
            report = answer_report.parsed(body)
        except ValueError:
            return HTTPStatus.BAD_REQUEST
        with self._lock:
            if report.url not in self._keys:
                return HTTPStatus.NO_CONTENT
            if not hmac.compare_digest(self._keys[report.url].encode(), report.key.encode()):
                return HTTPStatus.FORBIDDEN
            clients = self._counts[report.url]
            if report.client not in clients and len(clients) >= MOST_CLIENTS:
                return HTTPStatus.TOO_MANY_REQUESTS
            clients[report.client] = report.counts
            return HTTPStatus.NO_CONTENT
