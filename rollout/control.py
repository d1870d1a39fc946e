"""The watcher's port: GET /live reports the live model server, /health that the watcher runs, /metrics its metrics."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from configuration.hosts import AllowedHosts

IDLE_TIMEOUT_S = 75
LONGEST_HOST = 100  # characters in the log
JSON = "application/json"
UNKNOWN_PATH = b'{"error": "Unknown path. Use /live, /metrics or /health"}'

log = logging.getLogger(__name__)


class ControlServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    foreign_hosts = 0
    """Requests refused because of their Host"""

    def count_foreign(self, host: str, client: str) -> None:
        """Logs the first, second, fourth, … of them: a page in a browser could repeat it without end."""
        self.foreign_hosts += 1
        if self.foreign_hosts & (self.foreign_hosts - 1) == 0:
            log.warning(
                "Refused a request from %s for the host %r (%d so far). ROLLOUT_ALLOWED_HOSTS lists further host names",
                client, host[:LONGEST_HOST], self.foreign_hosts,
            )  # fmt: skip


def serve(
    host: str,
    port: int,
    status: Callable[[], dict[str, Any]],
    allowed_hosts: Sequence[str] = (),
    metrics: Callable[[], bytes] = bytes,
) -> ControlServer:
    """Serve `status` at /live and `metrics` at /metrics, in background threads. Raises OSError for a port in use."""
    hosts = AllowedHosts(allowed_hosts, (host,))
    pages = _pages(status, metrics)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open: gateways poll several times a second
        timeout = IDLE_TIMEOUT_S
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            requested = ",".join(self.headers.get_all("Host", []))
            if self.path != "/health" and not hosts.allow(requested):
                server.count_foreign(requested, self.client_address[0])
                self._send(HTTPStatus.MISDIRECTED_REQUEST, _problem(requested), "application/problem+json")
            elif page := pages.get(self.path):
                self._send(HTTPStatus.OK, page[0](), page[1])
            else:
                self._send(HTTPStatus.NOT_FOUND, UNKNOWN_PATH, JSON)

        def _send(self, code: HTTPStatus, body: bytes, media_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """No access log: several lines a second would hide the important ones."""

    server = ControlServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    return server


def _pages(
    status: Callable[[], dict[str, Any]], metrics: Callable[[], bytes]
) -> dict[str, tuple[Callable[[], bytes], str]]:
    """Path -> what makes its body, and the body's type."""
    return {
        "/live": (lambda: json.dumps(status()).encode(), JSON),
        "/health": (lambda: b'{"status": "ok"}', JSON),
        "/metrics": (metrics, CONTENT_TYPE_LATEST),
    }


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
