"""An application that does no work: Flask's own speed, with the gateway's JSON library and an answer of the same size.

python -m bench.testbed.empty_app                     under the gateway's server, in batches as its own /predict
gunicorn "bench.testbed.empty_app:create_app('…')"    under stock gunicorn; a file with the answer as JSON
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, request

from feature_enricher.access_control.access import AccessControl
from feature_enricher.app import FastJson
from feature_enricher.prediction.batching import Batches
from feature_enricher.server.front import Front
from feature_enricher.server.run import serve
from feature_enricher.settings import load_settings

ANSWER_VARIABLE = "BENCH_ANSWER"
"""The file with the answer, for the server's worker processes, which receive no arguments"""


def create_app(answer: str) -> Flask:
    """Parses each request's body as JSON and returns the same answer as JSON, with the request's user_id.

    answer: path of a file that holds the answer as JSON.
    """
    app = Flask("empty")
    app.json = FastJson(app)
    body: dict[str, Any] = json.loads(Path(answer).read_text())

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        return body | {"user_id": request.get_json()["user_id"]}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def create(_is_stopping: Callable[[], bool]) -> Front:
    """The application with the gateway's settings. Requests run in batches but never call a model server."""
    settings = load_settings()
    batches = Batches(
        lambda _items, _deadline: [], workers=settings.concurrent_batches, largest_batch=settings.max_batch
    )
    app = create_app(os.environ[ANSWER_VARIABLE])
    access = AccessControl(settings, lambda: None)
    return Front(app, batches, access, deadline_s=settings.deadline_s, largest_body=settings.max_body_bytes)


if __name__ == "__main__":
    own_settings = load_settings()
    serve("bench.testbed.empty_app:create", own_settings, own_settings.host, own_settings.port)
