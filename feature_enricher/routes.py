"""The four endpoints: what comes in, what goes out."""

from typing import Any

from flask import request
from flask_openapi3 import OpenAPI
from werkzeug.routing import BaseConverter

from feature_enricher import problem, readiness, schemas
from feature_enricher.deadline import Deadline
from feature_enricher.errors import EnricherError
from feature_enricher.intake import checked_user_id, user_id_of
from feature_enricher.serving import Ask, Scored, Serving
from feature_enricher.settings import Settings


class AnyText(BaseConverter):
    """A user_id may hold a slash; werkzeug's own converters stop at one."""

    regex = "(?s:.+)"
    part_isolating = False


def add_routes(app: OpenAPI, serving: Serving, settings: Settings) -> None:
    app.url_map.converters["any_text"] = AnyText
    # or /features//x would be redirected to another user, x
    app.url_map.merge_slashes = False
    _add_state(app, serving, settings)
    _add_answers(app, serving, settings)


def _add_state(app: OpenAPI, serving: Serving, settings: Settings) -> None:
    @app.get("/health", operation_id="health", summary="Does the process live?", responses={200: schemas.Health})
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/ready",
        operation_id="ready",
        summary="Would a prediction succeed now? Names what is not ready, and which version is live",
        responses={200: schemas.Ready, 503: schemas.NotReady},
    )
    def ready() -> tuple[dict[str, Any], int]:
        state, failing = readiness.check(serving, Deadline.after(settings.deadline_s))
        if failing:
            return {"status": "not ready", "error": f"Not ready: {', '.join(failing)}", **state}, 503
        return {"status": "ready", **state}, 200


def _add_answers(app: OpenAPI, serving: Serving, settings: Settings) -> None:
    longest_id = settings.max_user_id_length
    failures = {404: problem.FeaturesMissing, 422: problem.Unprocessable, 503: problem.Failure}

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
        known = serving.features_of(user_id, Deadline.after(settings.deadline_s))
        return {"user_id": user_id, "features": known.features, "as_of": known.as_of}

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Will this user leave? Class, probability, the features used and the version that answered",
        responses={
            200: schemas.PredictionAnswer,
            413: problem.Failure,
            415: problem.Failure,
            **failures,
        },
        openapi_extensions={"requestBody": schemas.predict_body(longest_id)},
    )
    def predict() -> dict[str, Any]:
        user_id = user_id_of(request, longest_id)
        [result] = serving.predict([Ask(user_id)], Deadline.after(settings.deadline_s))
        if isinstance(result, EnricherError):
            raise result
        return _answer_for(user_id, result)


def _answer_for(user_id: str, scored: Scored) -> dict[str, Any]:
    answer = scored.answer
    return {
        "user_id": user_id,
        "prediction": answer.prediction,
        "probability": answer.probability,
        "features_used": scored.known.features,
        "as_of": scored.known.as_of,
        "feature_service": answer.feature_service,
        "model": {"name": answer.model_name, "version": answer.model_version, "run_id": answer.run_id},
    }
