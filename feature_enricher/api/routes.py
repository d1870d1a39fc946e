"""The endpoints."""

import time
from collections.abc import Callable
from typing import Any

from flask import Response, g, request
from flask_openapi3 import OpenAPI
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.routing import BaseConverter

from feature_enricher.api import answers, problems, schemas
from feature_enricher.api.readiness import Readiness
from feature_enricher.api.request_ids import request_id
from feature_enricher.api.requests import RequestParser
from feature_enricher.deadline import deadline_of
from feature_enricher.settings import Settings
from feature_enricher.wiring import Components

NOT_READY = "not_ready"


class AnyText(BaseConverter):
    """Matches slashes too: a user_id may contain one."""

    regex = "(?s:.+)"
    part_isolating = False


def add_routes(
    app: OpenAPI,
    components: Components,
    settings: Settings,
    parser: RequestParser,
    is_stopping: Callable[[], bool],
) -> None:
    app.url_map.converters["any_text"] = AnyText
    # otherwise /features//x is redirected to another user, x
    app.url_map.merge_slashes = False
    key_errors = {401: problems.Failure} if settings.api_keys else {}
    limit_errors = {429: problems.Failure} if settings.requests_per_s else {}
    refusals = {421: problems.Failure, **key_errors, **limit_errors}
    readiness = Readiness(components.predictor, settings.deadline_s, is_stopping, components.warnings)
    _add_state(app, components, settings, key_errors, readiness)
    _add_features(app, components, settings, refusals, parser)
    _add_predict(app, components, settings, refusals, parser)


def _add_state(
    app: OpenAPI, components: Components, settings: Settings, key_errors: dict[int, Any], readiness: Readiness
) -> None:
    @app.get("/health", operation_id="health", summary="Is the process alive?", responses={200: schemas.Health})
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/ready",
        operation_id="ready",
        summary="Would a prediction succeed now? Shows the failed checks and, to clients with a key, the live version",
        responses={200: schemas.ReadyAnswer, 503: schemas.NotReadyAnswer, **key_errors},
    )
    def ready() -> tuple[dict[str, Any], int]:
        state, failing = readiness.check(deadline_of(request.environ, settings.deadline_s))
        details = state if g.client.sees_details else {}
        if failing:
            g.code = NOT_READY
            return {"status": "not ready", "error": f"Not ready: {', '.join(failing)}", **details}, 503
        return {"status": "ready", **details}, 200

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        components.refresh_metrics()
        return Response(components.metrics.page(), content_type=CONTENT_TYPE_LATEST)


def _add_features(
    app: OpenAPI, components: Components, settings: Settings, refusals: dict[int, Any], parser: RequestParser
) -> None:
    @app.get(
        "/features/<any_text:user_id>",
        operation_id="features",
        summary="The user's features that the live version uses",
        responses={
            200: schemas.UserFeatures,
            404: problems.FeaturesMissing,
            422: problems.Unprocessable,
            503: problems.Failure,
            **refusals,
        },
        openapi_extensions={"parameters": [parser.user_id_parameter()]},
    )
    def features() -> dict[str, Any]:
        # not the router's user_id: it replaces bytes that are not UTF-8
        user_id = parser.user_id_from_path(request)
        deadline = deadline_of(request.environ, settings.deadline_s)
        return answers.features(user_id, components.predictor.lookup_user(user_id, deadline))


def _add_predict(
    app: OpenAPI, components: Components, settings: Settings, refusals: dict[int, Any], parser: RequestParser
) -> None:
    request_body, _schemas = parser.request_body()

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Will this user leave? Class, probability, the features used, and the model version",
        responses={
            200: schemas.Predicted,
            404: problems.FeaturesMissing,
            409: problems.InvalidFields,
            413: problems.Failure,
            415: problems.Failure,
            422: problems.NotPredictable,
            503: problems.Failure,
            **refusals,
        },
        openapi_extensions={"requestBody": request_body},
    )
    def predict() -> dict[str, Any]:
        body = parser.parse_body(request)
        items = body.items()
        results = components.predict(items, deadline_of(request.environ, settings.deadline_s))
        components.log_prediction(request_id(), items, results, 1000 * (time.perf_counter() - g.began))
        return answers.list_of_answers(items, results) if body.is_list else answers.one_answer(items[0], results[0])
