"""Errors as RFC 9457 describes them: application/problem+json."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from feature_enricher.api.schemas import USER
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import (
    BodyTooLarge,
    InvalidRequest,
    NoSuchPath,
    RequestRefused,
    StaleFeatures,
    UnknownCategory,
    UnknownUser,
    WrongMethod,
)
from feature_enricher.errors.upstream import ModelUnavailable
from feature_enricher.prediction.values import shortened

MEDIA_TYPE = "application/problem+json"
# A name, not an address: the table in docs/gateway.md says what each code means.
TYPE_PREFIX = "urn:streamflow:error:"


def problem(error: EnricherError, request_id: str | None = None) -> dict[str, Any]:
    """The error as JSON. `error` repeats `detail`; without a request id inside an answer for many users."""
    body = {
        "type": f"{TYPE_PREFIX}{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": str(error),
        "error": str(error),
        "remedy": error.remedy,
        **error.members(),
    }
    return body if request_id is None else body | {"request_id": request_id}


def problem_text(error: EnricherError, request_id: str) -> str:
    return json.dumps(problem(error, request_id))


def as_enricher_error(error: Exception, method: str, path: str) -> EnricherError:
    """Any error as an EnricherError: clients see no other."""
    if isinstance(error, EnricherError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge("The body is too large")
    if isinstance(error, NotFound):
        return NoSuchPath(f"The path does not exist: {shortened(path)}")
    if isinstance(error, MethodNotAllowed):
        # RFC 9110 requires the allowed methods
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return WrongMethod(f"{shortened(path)} allows {allowed}, not {shortened(method)}", headers={"Allow": allowed})
    if isinstance(error, HTTPException):
        return RequestRefused(error.name, error.code)
    return EnricherError("Internal error")


def _example(error: EnricherError) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"example": problem(error, "5f0c3b8e2d7a4c41")})


class Failure(BaseModel):
    """An error as RFC 9457 describes them; `code` is stable, `error` repeats `detail`."""

    model_config = _example(ModelUnavailable("The model server did not answer"))
    type: str
    title: str
    status: int
    code: str
    detail: str
    error: str
    remedy: str
    request_id: str


class InvalidFields(Failure):
    model_config = _example(InvalidRequest("user_id must be a string, not a number: 4686", ["user_id"]))
    fields: list[str]


class FeaturesMissing(Failure):
    model_config = _example(UnknownUser("999999", []))
    missing_features: list[str]


class FeaturesStale(Failure):
    model_config = _example(StaleFeatures(USER, []))
    stale_features: list[str]


class CategoriesUnknown(Failure):
    model_config = _example(UnknownCategory(USER, {}))
    unknown_categories: dict[str, str]


class Unprocessable(RootModel[InvalidFields | FeaturesMissing | FeaturesStale]):
    """The request is invalid, or some of the user's features are missing or too old."""


class NotPredictable(RootModel[InvalidFields | FeaturesMissing | FeaturesStale | CategoriesUnknown]):
    """As for the features alone, or the live version was not trained on a category of the user."""
