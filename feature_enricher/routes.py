"""The endpoints: what comes in, what goes out."""

from typing import Any

from flask import Response, request
from flask_openapi3 import OpenAPI
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.routing import BaseConverter

from feature_enricher import answers, problem, readiness, request_schemas, schemas
from feature_enricher.deadline import deadline_of
from feature_enricher.intake import checked_user_id, wanted_by
from feature_enricher.parts import Parts
from feature_enricher.serving import Ask
from feature_enricher.settings import Settings


class AnyText(BaseConverter):
    """A user_id may hold a slash; werkzeug's own converters stop at one."""

    regex = "(?s:.+)"
    part_isolating = False


def add_routes(app: OpenAPI, parts: Parts, settings: Settings) -> None:
    app.url_map.converters["any_text"] = AnyText
    # or /features//x would be redirected to another user, x
    app.url_map.merge_slashes = False
    guarded = {401: problem.Failure} if settings.api_keys else {}
    _add_state(app, parts, settings, guarded)
    _add_features(app, parts, settings, guarded)
    _add_predict(app, parts, settings, guarded)


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
            return {"status": "not ready", "error": f"Not ready: {', '.join(failing)}", **state}, 503
        return {"status": "ready", **state}, 200

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        return Response(parts.metrics_page(), content_type=CONTENT_TYPE_LATEST)


def _add_features(app: OpenAPI, parts: Parts, settings: Settings, guarded: dict[int, Any]) -> None:
    longest_id = settings.max_user_id_length

    @app.get(
        "/features/<any_text:user_id>",
        operation_id="features",
        summary="The user's features, as the serving version asks for them",
        responses={
            200: schemas.UserFeatures,
            404: problem.FeaturesMissing,
            422: problem.Unprocessable,
            503: problem.Failure,
            **guarded,
        },
        openapi_extensions={"parameters": [request_schemas.user_id_parameter(longest_id)]},
    )
    def features() -> dict[str, Any]:
        # flask-openapi3 hands path parameters over only as a model, whose errors are not ours
        user_id = checked_user_id((request.view_args or {})["user_id"], longest_id)
        return answers.features(
            user_id, parts.serving.features_of(user_id, deadline_of(request.environ, settings.deadline_s))
        )


def _add_predict(app: OpenAPI, parts: Parts, settings: Settings, guarded: dict[int, Any]) -> None:
    body = request_schemas.predict_body(settings.max_user_id_length, settings.max_users)

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Will this user leave? Class, probability, the features used and the version that answered",
        responses={
            200: schemas.Predicted,
            404: problem.FeaturesMissing,
            409: problem.InvalidFields,
            413: problem.Failure,
            415: problem.Failure,
            422: problem.NotPredictable,
            503: problem.Failure,
            **guarded,
        },
        openapi_extensions={"requestBody": body},
    )
    def predict() -> dict[str, Any]:
        deadline = deadline_of(request.environ, settings.deadline_s)
        wanted = wanted_by(request, settings.max_user_id_length, settings.max_users)
        results = parts.predict([Ask(user_id, wanted.overrides) for user_id in wanted.user_ids], deadline)
        return answers.answer_to(wanted, results)
