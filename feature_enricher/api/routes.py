"""The endpoints: what comes in, what goes out."""

from typing import Any

from flask import Response, g, request
from flask_openapi3 import OpenAPI
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.routing import BaseConverter

from feature_enricher.api import answers, problems, readiness, schemas
from feature_enricher.api.requests import RequestModel
from feature_enricher.deadline import deadline_of
from feature_enricher.settings import Settings
from feature_enricher.wiring import Parts

NOT_READY = "not_ready"


class AnyText(BaseConverter):
    """A user_id may hold a slash; werkzeug's own converters stop at one."""

    regex = "(?s:.+)"
    part_isolating = False


def add_routes(app: OpenAPI, parts: Parts, settings: Settings, model: RequestModel) -> None:
    app.url_map.converters["any_text"] = AnyText
    # or /features//x would be redirected to another user, x
    app.url_map.merge_slashes = False
    guarded = {401: problems.Failure} if settings.api_keys else {}
    _add_state(app, parts, settings, guarded)
    _add_features(app, parts, settings, guarded, model)
    _add_predict(app, parts, settings, guarded, model)


def _add_state(app: OpenAPI, parts: Parts, settings: Settings, guarded: dict[int, Any]) -> None:
    @app.get("/health", operation_id="health", summary="Does the process live?", responses={200: schemas.Health})
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/ready",
        operation_id="ready",
        summary="Would a prediction succeed now? Names what is not ready, and which version is live",
        responses={200: schemas.Ready, 503: schemas.NotReady, **guarded},
    )
    def ready() -> tuple[dict[str, Any], int]:
        state, failing = readiness.check(parts.serving, deadline_of(request.environ, settings.deadline_s))
        if failing:
            g.code = NOT_READY
            return {"status": "not ready", "error": f"Not ready: {', '.join(failing)}", **state}, 503
        return {"status": "ready", **state}, 200

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        return Response(parts.metrics_page(), content_type=CONTENT_TYPE_LATEST)


def _add_features(app: OpenAPI, parts: Parts, settings: Settings, guarded: dict[int, Any], model: RequestModel) -> None:
    @app.get(
        "/features/<any_text:user_id>",
        operation_id="features",
        summary="The user's features, as the serving version asks for them",
        responses={
            200: schemas.UserFeatures,
            404: problems.FeaturesMissing,
            422: problems.Unprocessable,
            503: problems.Failure,
            **guarded,
        },
        openapi_extensions={"parameters": [model.user_id_parameter()]},
    )
    def features() -> dict[str, Any]:
        # not the framework's own: it replaces what is not UTF-8
        user_id = model.user_id_of_path(request)
        deadline = deadline_of(request.environ, settings.deadline_s)
        return answers.features(user_id, parts.serving.features_of(user_id, deadline))


def _add_predict(app: OpenAPI, parts: Parts, settings: Settings, guarded: dict[int, Any], model: RequestModel) -> None:
    body, _schemas = model.request_body()

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Will this user leave? Class, probability, the features used and the version that answered",
        responses={
            200: schemas.Predicted,
            404: problems.FeaturesMissing,
            409: problems.InvalidFields,
            413: problems.Failure,
            415: problems.Failure,
            422: problems.NotPredictable,
            503: problems.Failure,
            **guarded,
        },
        openapi_extensions={"requestBody": body},
    )
    def predict() -> dict[str, Any]:
        asked = model.of_body(request)
        items = asked.items()
        results = parts.predict(items, deadline_of(request.environ, settings.deadline_s))
        return answers.list_of_answers(items, results) if asked.is_list else answers.one_answer(items[0], results[0])
