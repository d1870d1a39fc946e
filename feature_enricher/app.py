"""create_app(): settings in, gateway out. Tests hand in their own features and targets."""

import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_openapi3 import Info, OpenAPI

from feature_enricher.deadline import Deadline
from feature_enricher.docs import add_docs
from feature_enricher.errors import StoreUnavailable
from feature_enricher.features import FeastFeatures
from feature_enricher.model import ModelServer
from feature_enricher.problem import MEDIA_TYPE, Failure, problem
from feature_enricher.registry import Registry
from feature_enricher.request_ids import add_request_ids, request_id
from feature_enricher.rollout import Rollout
from feature_enricher.routes import add_routes
from feature_enricher.serving import Features, Serving
from feature_enricher.settings import Settings, load_settings
from feature_enricher.targets import HandStarted, Targets
from feature_enricher.translation import as_enricher_error, reason
from feature_enricher.upstream import Upstream

WATCHER_TIMEOUT_S = 1.0
VERSION = "1.0.0"

log = logging.getLogger(__name__)


def create_app(
    config: Mapping[str, Any] | None = None,
    *,
    features: Features | None = None,
    targets: Targets | None = None,
) -> OpenAPI:
    """The gateway as a WSGI application. Begins to import Feast, and to poll the watcher, unless these are given."""
    settings = load_settings(config)
    app = _bare_app(settings)
    found = features or _feast_features(settings)
    serving = Serving(found, targets or _targets(settings, found))
    app.extensions["streamflow"] = serving
    add_request_ids(app)
    _answer_errors(app)
    add_routes(app, serving, settings)
    add_docs(app)
    return app


def _bare_app(settings: Settings) -> OpenAPI:
    app = OpenAPI(
        "feature_enricher",
        static_folder=None,
        doc_ui=False,  # docs.py adds the one page we want
        info=Info(title="StreamFlow gateway", version=VERSION),
        responses={500: Failure},
        # The library documents this status where an endpoint does not: so, one that every endpoint has.
        validation_error_status=500,
        validation_error_model=Failure,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # features go out in the service's order
    return app


def _feast_features(settings: Settings) -> FeastFeatures:
    features = FeastFeatures(settings.store_timeout_s)
    features.warm_up()
    return features


def _targets(settings: Settings, features: Features) -> Targets:
    def connect(url: str) -> ModelServer:
        return ModelServer(Upstream(url, settings.model_timeout_s, settings.threads))

    def prepare(service: str) -> None:
        """The first request after a turn must not wait for Feast."""
        with contextlib.suppress(StoreUnavailable):  # the turn is made all the same; requests will say what is wrong
            features.plan(service, Deadline.after(settings.store_timeout_s))

    if not settings.rollout_url:
        registry = Upstream(settings.registry_url, settings.registry_timeout_s, settings.threads)
        asked = Registry(registry, settings.model_name, settings.stage)
        return HandStarted(settings.model_url, connect(settings.model_url), asked)
    rollout = Rollout(Upstream(settings.rollout_url, WATCHER_TIMEOUT_S, 1), connect, prepare)
    rollout.start()
    return rollout


def _answer_errors(app: OpenAPI) -> None:
    @app.errorhandler(Exception)
    def answer(error: Exception) -> ResponseReturnValue:
        known = as_enricher_error(error)
        unforeseen = error if known.status == 500 else None  # noqa: PLR2004 - the status is the name
        level = logging.ERROR if known.status >= 500 else logging.WARNING  # noqa: PLR2004
        log.log(
            level,
            "%s %r -> %d %s",
            request.method,
            request.path,
            known.status,
            reason(error),
            exc_info=unforeseen,
        )
        body = json.dumps(problem(known, request_id()))
        return body, known.status, {"Content-Type": MEDIA_TYPE, **known.headers}
