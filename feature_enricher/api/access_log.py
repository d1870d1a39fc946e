"""One JSON line per request: method, path, outcome, duration, name of the key. Never a feature value, never a key."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import TextIO

from flask import Flask, Response, g, request

from configuration.named_keys import NO_KEY
from feature_enricher.access_control.access import ANYBODY
from feature_enricher.api.request_ids import request_id
from feature_enricher.errors.base import EnricherError
from feature_enricher.metrics import Metrics

OK = "ok"
LEVELS = {"all": logging.INFO, "errors": logging.ERROR, "off": logging.CRITICAL}
log = logging.getLogger("feature_enricher.access")


def add_access_log(app: Flask, metrics: Metrics) -> None:
    """`code` is `ok` or the error's. The path of /features holds a user_id; bodies are not logged."""

    @app.before_request
    def begin() -> None:
        g.began, g.code, g.cause, g.client = time.perf_counter(), OK, None, ANYBODY
        metrics.request_began()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "none"
        metrics.record_request(route, response.status_code, g.code, seconds, g.client.key_name)
        if log.isEnabledFor(_level(response.status_code)):
            log.log(_level(response.status_code), "%s", json.dumps(_line(response, seconds)))
        return response

    @app.teardown_request
    def done(_error: BaseException | None) -> None:
        if "began" in g:
            metrics.request_done()


def log_refusal(method: str, path: str, error: EnricherError, request_id: str, client: str) -> None:
    """For a request that was refused before it reached the application."""
    status, code = error.status, error.code
    if log.isEnabledFor(_level(status)):
        refused = {"request_id": request_id, "method": method, "path": path, "status": status, "code": code}
        named = {"client": client} if client != NO_KEY else {}
        log.log(_level(status), "%s", json.dumps({"at": _now(), **refused, **named}))


def set_level(level: str) -> None:
    """level: all, errors (status 500 and above) or off."""
    log.setLevel(LEVELS[level])


def write_to(stream: TextIO) -> None:
    """Each line is JSON and nothing else; other logs do not go to this stream's handler."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False


def _level(status: int) -> int:
    return logging.ERROR if status >= 500 else logging.INFO  # noqa: PLR2004 - the status is the name


def _line(response: Response, seconds: float) -> dict[str, object]:
    line: dict[str, object] = {
        "at": _now(),
        "request_id": request_id(),
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "code": g.code,
        "ms": round(seconds * 1000, 2),
    }
    if g.client.key_name != NO_KEY:
        line["client"] = g.client.key_name
    return line if g.cause is None else line | {"cause": g.cause}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
