"""Errors as RFC 9457 describes them: application/problem+json."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from feature_enricher.errors import (
    EnricherError,
    InvalidRequest,
    ModelUnavailable,
    StaleFeatures,
    UnknownCategory,
    UnknownUser,
)

MEDIA_TYPE = "application/problem+json"
# A name, not an address: the README's table says what each code means.
USER = "4686-GEFRM"
TYPE_PREFIX = "urn:streamflow:error:"


def problem(error: EnricherError, request_id: str | None = None) -> dict[str, Any]:
    """All that a client sees. `error` repeats `detail`; inside an answer for many users there is no request id."""
    told = {
        "type": f"{TYPE_PREFIX}{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": str(error),
        "error": str(error),
        **error.members(),
    }
    return told if request_id is None else told | {"request_id": request_id}


def problem_text(error: EnricherError, request_id: str) -> str:
    return json.dumps(problem(error, request_id))


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
    request_id: str


class InvalidFields(Failure):
    model_config = _example(InvalidRequest("user_id must be a string, not a number", ["user_id"]))
    fields: list[str]


class FeaturesMissing(Failure):
    model_config = _example(UnknownUser("999999", ["months_active", "monthly_fee"]))
    missing_features: list[str]


class FeaturesStale(Failure):
    model_config = _example(StaleFeatures(USER, ["months_active", "monthly_fee"]))
    stale_features: list[str]


class CategoriesUnknown(Failure):
    model_config = _example(UnknownCategory(USER, {"net_service": "Satellite"}))
    unknown_categories: dict[str, str]


class Unprocessable(RootModel[InvalidFields | FeaturesMissing | FeaturesStale]):
    """The request is wrong, or some of the user's features are missing or too old."""


class NotPredictable(RootModel[InvalidFields | FeaturesMissing | FeaturesStale | CategoriesUnknown]):
    """As for the features alone, or the live version was not trained on a category of the user."""
