"""create_app(): settings in, gateway out. Tests pass their own features and targets."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import g, request
from flask.json.provider import JSONProvider
from flask.typing import ResponseReturnValue
from flask_openapi3 import Info, OpenAPI

from feature_enricher.api.access_log import add_access_log
from feature_enricher.api.auth import add_access_control
from feature_enricher.api.docs import add_docs
from feature_enricher.api.problems import MEDIA_TYPE, Failure, as_enricher_error, problem_text
from feature_enricher.api.request_ids import add_request_ids, request_id
from feature_enricher.api.requests import RequestParser
from feature_enricher.api.routes import add_routes
from feature_enricher.errors.base import reason
from feature_enricher.prediction.features import Features
from feature_enricher.settings import Settings, load_settings
from feature_enricher.upstream.targets import Targets
from feature_enricher.version import project_version
from feature_enricher.wiring import build_components

INTERNAL_ERROR = 500

log = logging.getLogger(__name__)


def create_app(
    config: Mapping[str, Any] | None = None,
    *,
    features: Features | None = None,
    targets: Targets | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> OpenAPI:
    """The gateway as a WSGI application. app.extensions["streamflow"] holds its Components; call their close().

    is_stopping: whether /ready must send clients elsewhere.
    """
    settings = load_settings(config)
    for warning in settings.unknown_variables():
        log.warning("%s", warning)
    app = _bare_app(settings)
    components = app.extensions["streamflow"] = build_components(settings, features, targets)
    add_request_ids(app)
    add_access_log(app, components.metrics)
    add_access_control(app, components.access)
    _answer_errors(app)
    parser = RequestParser(settings.max_user_id_length, settings.max_users)
    add_routes(app, components, settings, parser, is_stopping)
    _body, schemas = parser.request_body()
    add_docs(app, components.live_plan, schemas, has_keys=bool(settings.api_keys), console=settings.console_url)
    return app


class FastJson(JSONProvider):
    """orjson takes a tenth of the time of Python's json for an answer.

    It writes null for NaN and infinity, but none arrive here: they count as missing in the store
    (feature_store/plans.py), and are refused in a request (prediction/values.py) and in a model's answer
    (upstream/model_server.py).
    """

    def dumps(self, obj: Any, **_options: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        return orjson.loads(s)


def _bare_app(settings: Settings) -> OpenAPI:
    app = OpenAPI(
        "feature_enricher",
        static_folder=None,
        doc_ui=False,  # docs.py adds our only page
        info=Info(title="StreamFlow gateway", version=project_version()),
        responses={500: Failure},
        # flask-openapi3 adds this status to every endpoint without it, so it must be one that all endpoints have.
        validation_error_status=INTERNAL_ERROR,
        validation_error_model=Failure,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json = FastJson(app)
    return app


def _answer_errors(app: OpenAPI) -> None:
    @app.errorhandler(Exception)
    def answer(error: Exception) -> ResponseReturnValue:
        answered = as_enricher_error(error, request.method, request.path)
        g.code = answered.code
        # messages about a client's mistake may quote values, which are not logged
        if answered.status >= INTERNAL_ERROR:
            g.cause = reason(error)
        if answered is not error and answered.status == INTERNAL_ERROR:
            log.error("Request %s failed with an internal error: %s", request_id(), reason(error), exc_info=error)
        return problem_text(answered, request_id()), answered.status, {"Content-Type": MEDIA_TYPE, **answered.headers}
