"""create_app(): settings in, gateway out. Tests hand in their own features, model and registry."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_openapi3 import Info, OpenAPI

from feature_enricher import schemas
from feature_enricher.docs import add_docs
from feature_enricher.errors import as_enricher_error, reason
from feature_enricher.features import FeastFeatures
from feature_enricher.model import ModelServer
from feature_enricher.registry import Registry
from feature_enricher.routes import add_routes
from feature_enricher.serving import Features, Model, Serving
from feature_enricher.serving import Registry as AnyRegistry
from feature_enricher.settings import Settings, load_settings
from feature_enricher.upstream import Upstream

VERSION = "1.0.0"

log = logging.getLogger(__name__)


def create_app(
    config: Mapping[str, Any] | None = None,
    *,
    features: Features | None = None,
    model: Model | None = None,
    registry: AnyRegistry | None = None,
) -> OpenAPI:
    """The gateway as a WSGI application. Begins to open the feature store unless `features` is given."""
    settings = load_settings(config)
    app = _bare_app(settings)
    serving = Serving(
        features or _feast_features(settings),
        model or ModelServer(Upstream(settings.model_url, settings.model_timeout_s, settings.threads)),
        registry or _mlflow_registry(settings),
    )
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
        responses={500: schemas.Failure},
        # The library documents this status where an endpoint does not: so, one that every endpoint has.
        validation_error_status=500,
        validation_error_model=schemas.Failure,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # features go out in the service's order
    return app


def _feast_features(settings: Settings) -> FeastFeatures:
    features = FeastFeatures(settings.store_timeout_s, settings.threads)
    features.open_soon()
    return features


def _mlflow_registry(settings: Settings) -> Registry:
    upstream = Upstream(settings.registry_url, settings.registry_timeout_s, settings.threads)
    return Registry(upstream, settings.model_name, settings.stage)


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
        return known.body(), known.status, getattr(known, "headers", {})
