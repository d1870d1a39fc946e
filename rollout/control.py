"""The watcher's port: GET /live names the live model server, /health says that the watcher runs, /metrics has its
metrics. POST /answers takes the gateways' reports of how model servers answer."""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from configuration import answer_report
from configuration.hosts import AllowedHosts

IDLE_TIMEOUT_S = 75
LONGEST_HOST = 100  # characters in the log
JSON = "application/json"
UNKNOWN_PATH = b'{"error": "Unknown path. Use /live, /metrics or /health"}'

log = logging.getLogger(__name__)


Page = tuple[Callable[[], bytes], str]
"""What makes a page's body, and the body's type"""


class ControlServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    foreign_hosts = 0
    """Requests refused because of their Host"""

    def __init__(
        self,
        address: tuple[str, int],
        hosts: AllowedHosts,
        pages: Mapping[str, Page],
        take_answers: Callable[[bytes], HTTPStatus],
    ) -> None:
        self.hosts, self.pages, self.take_answers = hosts, pages, take_answers
        super().__init__(address, _Handler)

    def count_foreign(self, host: str, client: str) -> None:
        """Logs the first, second, fourth, … of them: a page in a browser could repeat it without end."""
        self.foreign_hosts += 1
        if self.foreign_hosts & (self.foreign_hosts - 1) == 0:
            log.warning(
                "Refused a request from %s for the host %r (%d so far). ROLLOUT_ALLOWED_HOSTS lists further host names",
                client, host[:LONGEST_HOST], self.foreign_hosts,
            )  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer
    protocol_version = "HTTP/1.1"  # connections stay open: gateways poll several times a second
    timeout = IDLE_TIMEOUT_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != "/health" and self._is_foreign():
            return
        if page := self.server.pages.get(self.path):
            self._send(HTTPStatus.OK, page[0](), page[1])
        else:
            self._send(HTTPStatus.NOT_FOUND, UNKNOWN_PATH, JSON)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > answer_report.LONGEST:
            self.close_connection = True  # the body is not read
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"", JSON)
            return
        body = self.rfile.read(int(length))
        if self._is_foreign():
            return
        if self.path != answer_report.PATH:
            self._send(HTTPStatus.NOT_FOUND, UNKNOWN_PATH, JSON)
        elif self.headers.get("Content-Type") != JSON:  # a page in a browser may send other types to other hosts
            self._send(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, b"", JSON)
        else:
            self._send(self.server.take_answers(body), b"", JSON)

    def _is_foreign(self) -> bool:
        """Whether the request was refused because of its Host."""
        requested = ",".join(self.headers.get_all("Host", []))
        if self.server.hosts.allow(requested):
            return False
        self.server.count_foreign(requested, self.client_address[0])
        self._send(HTTPStatus.MISDIRECTED_REQUEST, _problem(requested), "application/problem+json")
        return True

    def _send(self, code: HTTPStatus, body: bytes, media_type: str) -> None:
        self.send_response(code)
        if code != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """No access log: several lines a second would hide the important ones."""


def serve(
    host: str,
    port: int,
    status: Callable[[], dict[str, Any]],
    allowed_hosts: Sequence[str] = (),
    metrics: Callable[[], bytes] = bytes,
    *,
    take_answers: Callable[[bytes], HTTPStatus] = lambda _body: HTTPStatus.NO_CONTENT,
) -> ControlServer:
    """Serve `status` at /live and `metrics` at /metrics, in background threads; `take_answers` gets the body of each
    report. Raises OSError for a port in use."""
    pages: dict[str, Page] = {
        "/live": (lambda: json.dumps(status()).encode(), JSON),
        "/health": (lambda: b'{"status": "ok"}', JSON),
        "/metrics": (metrics, CONTENT_TYPE_LATEST),
    }
    server = ControlServer((host, port), AllowedHosts(allowed_hosts, (host,)), pages, take_answers)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    return server


def _problem(host: str) -> bytes:
    """As RFC 9457 describes it, and as the gateway's."""
    message = f"The watcher does not serve the host {host[:LONGEST_HOST]!r}. ROLLOUT_ALLOWED_HOSTS lists further names"
    problem = {
        "type": "urn:streamflow:error:foreign_host",
        "title": "The watcher does not serve this host",
        "status": int(HTTPStatus.MISDIRECTED_REQUEST),
        "code": "foreign_host",
        "detail": message,
        "error": message,
    }
    return json.dumps(problem).encode()
