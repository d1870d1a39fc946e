"""The gateway's server around an application that takes its time: python -m tests.gateway.server.slow_app PORT

POST /predict?s=0.2 sleeps for so long in a batch, GET /slow?s=0.2 in a thread of the others, /health?s=0.2 and
/ready?s=0.2 in threads of their own; /large?n=… answers that
many bytes; /echo tells the method, path, query, headers and body that arrived.
"""

import sys
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from flask import Flask, Response, jsonify, request

from feature_enricher.access_control.access import AccessControl
from feature_enricher.prediction.batching import Batches
from feature_enricher.server.front import Front
from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings

DEADLINE_S = 1.0


def create(is_stopping: Callable[[], bool]) -> Front:
    app = Flask("slow")

    def wait() -> None:
        time.sleep(float(parse_qs(request.query_string.decode()).get("s", ["0"])[0]))

    @app.route("/predict", methods=["GET", "POST"])
    @app.get("/slow")
    @app.get("/health")
    @app.get("/ready")
    def slow() -> tuple[str, int]:
        wait()
        return f"{len(request.get_data())} bytes", 503 if request.path == "/ready" and is_stopping() else 200

    @app.get("/large")
    def large() -> bytes:
        return b"x" * int(request.args["n"])

    @app.get("/fails")
    def fails() -> str:
        raise SystemError("from the application")

    @app.route("/", defaults={"rest": ""}, methods=["GET", "HEAD", "POST", "PUT"])
    @app.route("/<path:rest>", methods=["GET", "HEAD", "POST", "PUT"])
    def echo(rest: str) -> Response:
        body = request.get_data().decode("latin-1")
        path = request.environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        received = {
            "path": path,
            "query": request.query_string.decode(),
            "headers": dict(request.headers),
            "body": body,
        }
        return jsonify(received)

    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    batches = Batches(lambda _asks, _deadline: [], workers=2, largest_batch=8)
    access = AccessControl(load_settings({"ALLOWED_HOSTS": "gateway,x"}), lambda: None)
    return Front(app, batches, access, deadline_s=DEADLINE_S, largest_body=100_000)


if __name__ == "__main__":
    serve(f"{__spec__.name}:create", load_settings(), "127.0.0.1", int(sys.argv[1]))
