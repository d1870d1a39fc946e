"""The four endpoints: what comes in, what goes out."""

from typing import Any

from flask import request
from flask_openapi3 import OpenAPI
from werkzeug.routing import BaseConverter

from feature_enricher import readiness, schemas
from feature_enricher.intake import checked_user_id, user_id_of
from feature_enricher.serving import Scored, Serving
from feature_enricher.settings import Settings


class AnyText(BaseConverter):
    """A user_id may hold a slash; werkzeug's own converters stop at one."""

    regex = "(?s:.+)"
    part_isolating = False


def add_routes(app: OpenAPI, serving: Serving, settings: Settings) -> None:
    app.url_map.converters["any_text"] = AnyText
    # or /features//x would be redirected to another user, x
    app.url_map.merge_slashes = False
    _add_state(app, serving)
    _add_answers(app, serving, settings.max_user_id_length)


def _add_state(app: OpenAPI, serving: Serving) -> None:
    @app.get("/health", operation_id="health", summary="Does the process live?", responses={200: schemas.Health})
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/ready",
        operation_id="ready",
        summary="Would a prediction succeed now? Names what is not ready",
        responses={200: schemas.Ready, 503: schemas.NotReady},
    )
    def ready() -> tuple[dict[str, Any], int]:
        checks, failing = readiness.check(serving)
        if failing:
            error = f"Not ready: {', '.join(failing)}"
            return {"status": "not ready", "error": error, "checks": checks}, 503
        return {"status": "ready", "checks": checks}, 200


def _add_answers(app: OpenAPI, serving: Serving, longest_id: int) -> None:
    failures = {404: schemas.FeaturesMissing, 422: schemas.Unprocessable, 503: schemas.Failure}

    @app.get(
        "/features/<any_text:user_id>",
        operation_id="features",
        summary="The user's features, as the serving version asks for them",
        responses={200: schemas.UserFeatures, **failures},
        openapi_extensions={"parameters": [schemas.user_id_parameter(longest_id)]},
    )
    def features() -> dict[str, Any]:
        # flask-openapi3 hands path parameters over only as a model, whose errors are not ours
        user_id = checked_user_id((request.view_args or {})["user_id"], longest_id)
        [row] = serving.features_of([user_id])
        return {"user_id": user_id, "features": row}

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Will this user leave? Class, probability, the features used and the version that answered",
        responses={200: schemas.PredictionAnswer, 413: schemas.Failure, 415: schemas.Failure, **failures},
        openapi_extensions={"requestBody": schemas.predict_body(longest_id)},
    )
    def predict() -> dict[str, Any]:
        user_id = user_id_of(request, longest_id)
        [scored] = serving.predict([user_id])
        return _answer_for(user_id, scored)


def _answer_for(user_id: str, scored: Scored) -> dict[str, Any]:
    answer = scored.answer
    return {
        "user_id": user_id,
        "prediction": answer.prediction,
        "probability": answer.probability,
        "features_used": scored.features_used,
        "feature_service": answer.feature_service,
        "model": {"name": answer.model_name, "version": answer.model_version, "run_id": answer.run_id},
    }
