"""create_app(): settings in, gateway out. Tests hand in their own features and targets."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from flask import g, request
from flask.json.provider import JSONProvider
from flask.typing import ResponseReturnValue
from flask_openapi3 import Info, OpenAPI

from feature_enricher.api.access_log import add_access_log
from feature_enricher.api.auth import require_keys
from feature_enricher.api.docs import add_docs
from feature_enricher.api.problems import MEDIA_TYPE, Failure, as_enricher_error, problem_text
from feature_enricher.api.request_ids import add_request_ids, request_id
from feature_enricher.api.requests import RequestModel
from feature_enricher.api.routes import add_routes
from feature_enricher.errors.base import reason
from feature_enricher.prediction.features import Features
from feature_enricher.settings import Settings, load_settings
from feature_enricher.upstream.targets import Targets
from feature_enricher.version import project_version
from feature_enricher.wiring import make_parts

INTERNAL_ERROR = 500

log = logging.getLogger(__name__)


def create_app(
    config: Mapping[str, Any] | None = None,
    *,
    features: Features | None = None,
    targets: Targets | None = None,
) -> OpenAPI:
    """The gateway as a WSGI application; app.extensions["streamflow"] are its running parts, with close()."""
    settings = load_settings(config)
    for warning in settings.unknown_variables():
        log.warning("%s", warning)
    app = _bare_app(settings)
    parts = app.extensions["streamflow"] = make_parts(settings, features, targets)
    add_request_ids(app)
    add_access_log(app, parts.metrics)
    require_keys(app, settings.api_keys)
    _answer_errors(app)
    model = RequestModel(settings.max_user_id_length, settings.max_users)
    add_routes(app, parts, settings, model)
    _body, schemas = model.request_body()
    add_docs(app, parts.live_plan, schemas, has_keys=bool(settings.api_keys))
    return app


class FastJson(JSONProvider):
    """By orjson, which takes a tenth of Python's own time for an answer.

    It would write null for a number that is not finite. None comes here: the store's count as missing
    (feature_store/plans.py), a request's are refused (prediction/values.py), as is a model's answer with one
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
        doc_ui=False,  # docs.py adds the one page we want
        info=Info(title="StreamFlow gateway", version=project_version()),
        responses={500: Failure},
        # The library documents this status where an endpoint does not: so, one that every endpoint has.
        validation_error_status=INTERNAL_ERROR,
        validation_error_model=Failure,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json = FastJson(app)
    return app


def _answer_errors(app: OpenAPI) -> None:
    @app.errorhandler(Exception)
    def answer(error: Exception) -> ResponseReturnValue:
        known = as_enricher_error(error, request.method, request.path)
        g.code = known.code
        if known.status >= INTERNAL_ERROR:  # a client's own mistake may quote values, which the log never has
            g.cause = reason(error)
        if known is not error and known.status == INTERNAL_ERROR:
            log.error("Request %s met a fault: %s", request_id(), reason(error), exc_info=error)
        return problem_text(known, request_id()), known.status, {"Content-Type": MEDIA_TYPE, **known.headers}
