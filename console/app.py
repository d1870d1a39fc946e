"""create_app(): settings in, console out."""

import logging
from datetime import UTC, date, datetime
from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from console.access import protect
from console.pages import call_list, customer, decisions, monitoring, now, sign_in
from console.settings import Settings, load_settings, shorten_waits
from console.sources.gateway import Gateway
from console.sources.registry import Links
from steps.cli.errors import StepError

LARGEST_FORM_BYTES = 16 * 1024
UNAVAILABLE, INTERNAL = 503, 500
NAVIGATION = (
    ("now.page", "Now"), ("customer.page", "Customer"), ("call_list.page", "Call list"),
    ("monitoring.page", "Monitoring"), ("decisions.page", "Decisions"),
)  # fmt: skip

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> Flask:
    shorten_waits()
    settings = settings or load_settings()
    app = Flask("console")
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_FORM_BYTES
    app.extensions["console"] = {"settings": settings, "gateway": Gateway(settings)}
    protect(app, settings)
    _add_texts(app, settings)
    _answer_errors(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    for page in (now, customer, call_list, monitoring, decisions, sign_in):
        app.register_blueprint(page.blueprint)
    return app


def _add_texts(app: Flask, settings: Settings) -> None:
    from console.sources.experiment import ExperimentId  # noqa: PLC0415 - MLflow reads its time limits when imported

    experiment = ExperimentId()
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"moment": moment, "figure": figure, "count": count, "value": value}

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {
            "navigation": NAVIGATION,
            "links": Links(settings.mlflow_url, experiment.get),
            "has_keys": bool(settings.keys),
        }


def moment(at: datetime | date | None) -> str:
    if at is None:
        return "unknown"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else f"{at:%Y-%m-%d}"


def figure(number: float | None, digits: int = 4) -> str:
    return "–" if number is None else f"{number:.{digits}f}"  # noqa: RUF001 - a dash for people


def count(number: int) -> str:
    return f"{number:,}"


def value(stored: object) -> str:
    """A feature's value, without the digits that nobody reads."""
    if isinstance(stored, bool):
        return "yes" if stored else "no"
    return f"{stored:.10g}" if isinstance(stored, float) else str(stored)


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(StepError)
    def unavailable(error: StepError) -> ResponseReturnValue:
        return render_template("problem.html", title="Not available", text=str(error)), UNAVAILABLE

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        if error.code is None or error.code < 400:  # noqa: PLR2004 - a redirect of the router
            return error
        return render_template("problem.html", title=error.name, text=error.description), error.code

    @app.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        log.error("%s %s failed", request.method, request.endpoint, exc_info=error)
        text = "The console's log says why. Other parts are not affected."
        return render_template("problem.html", title="This page failed", text=text), INTERNAL
