"""The watcher's port: GET /live reports the live model server, GET /health that the watcher runs."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

IDLE_TIMEOUT_S = 75


def serve(host: str, port: int, status: Callable[[], dict[str, Any]]) -> ThreadingHTTPServer:
    """Serve `status` at /live, in background threads. Raises OSError if the port is in use."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open: gateways poll several times a second
        timeout = IDLE_TIMEOUT_S
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            answers: dict[str, Callable[[], dict[str, Any]]] = {"/live": status, "/health": lambda: {"status": "ok"}}
            answer = answers.get(self.path)
            body = json.dumps(answer() if answer else {"error": "Unknown path. Use /live or /health"}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """No access log: several lines a second would hide the important ones."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    return server
