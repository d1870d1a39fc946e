"""A gateway that does no work: the most that Flask, flask-openapi3 and gunicorn can do with our settings.

gunicorn --config feature_enricher/gunicorn_conf.py "bench.empty_app:create_app('an answer as JSON')"
"""

import json
from typing import Any

from flask import request
from flask_openapi3 import Info, OpenAPI


def create_app(answer: str) -> OpenAPI:
    """Every request's body is read, and the same answer made into JSON."""
    app = OpenAPI("empty", info=Info(title="empty", version="1"), doc_ui=False)
    app.json.sort_keys = False
    same: dict[str, Any] = json.loads(answer)

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        return same | {"user_id": request.get_json()["user_id"]}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
