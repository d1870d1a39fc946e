"""The schemas of the answers in the OpenAPI document. answers.py builds the answers; tests compare both.

No feature is named here: docs.py fills in the live version's.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel

from configuration.names import MODEL_NAME
from feature_enricher.api.reason_schemas import Reasons

USER = "4686-GEFRM"
RUN_ID = "0123456789abcdef0123456789abcdef"


# flask-openapi3 keeps OpenAPI 3.0's `example` and drops 3.1's `examples`
def _example(**example: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"example": example}, protected_namespaces=())


class Health(BaseModel):
    model_config = _example(status="ok")
    status: Literal["ok"]


class Checks(BaseModel):
    model_config = ConfigDict(extra="forbid")
    store: str
    model: str
    live: str


class LiveModel(BaseModel):
    """For a model server that you started yourself, only address and feature list are known beforehand."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    url: str
    feature_service: str
    model_name: str | None = None
    version: str | None = None
    run_id: str | None = None


LIVE = {
    "url": "http://127.0.0.1:5001",
    "feature_service": "churn_v1",
    "model_name": MODEL_NAME,
    "version": "3",
    "run_id": RUN_ID,
}


class Ready(BaseModel):
    model_config = _example(
        status="ready",
        checks={"store": "ok", "model": "ok", "live": "ok"},
        serving=LIVE,
        warnings=["Versions 2 and 3 are in Production; version 3 is served"],
        problem=None,
        note=None,
    )
    status: Literal["ready"]
    checks: Checks
    serving: LiveModel | None
    warnings: list[str]
    problem: str | None
    """Why the version in Production is not live"""
    note: str | None


class NotReady(BaseModel):
    model_config = _example(
        status="not ready",
        error="Not ready: model",
        checks={"store": "ok", "model": "The model server did not answer", "live": "ok"},
        serving=LIVE,
        warnings=[],
        problem=None,
        note=None,
    )
    status: Literal["not ready"]
    error: str
    checks: Checks
    serving: LiveModel | None
    warnings: list[str]
    problem: str | None
    note: str | None


class IsReady(BaseModel):
    """For a client without a key where keys are required, for a host that is not the gateway's, and while it stops."""

    model_config = _example(status="ready")
    status: Literal["ready"]


class IsNotReady(BaseModel):
    model_config = _example(status="not ready", error="Not ready: model")
    status: Literal["not ready"]
    error: str


class ReadyAnswer(RootModel[Ready | IsReady]):
    """With a key, or without configured keys: the checks and the live version."""


class NotReadyAnswer(RootModel[NotReady | IsNotReady]):
    """With a key, or without configured keys: the checks and the live version."""


AsOf = str | dict[str, str] | None
"""The day of the values used; view -> day if they differ; null if the request gave every value"""


class UserFeatures(BaseModel):
    model_config = _example(user_id=USER, features={}, as_of="2024-01-31")
    user_id: str
    features: dict[str, bool | int | float | str]
    as_of: AsOf
    stale_features: list[str] | None = None
    """Older than their largest age, if the gateway is set to flag them"""


class ModelVersion(BaseModel):
    """The version that answered; `version` is null for a model that is served from a run."""

    model_config = ConfigDict(extra="forbid")
    name: str
    version: str | None
    run_id: str


class PredictionAnswer(BaseModel):
    model_config = _example(
        user_id=USER,
        prediction=0,
        probability=0.1234,
        threshold=0.5,
        calibration="sigmoid",
        features_used={},
        as_of="2024-01-31",
        feature_service="churn_v1",
        model={"name": MODEL_NAME, "version": "3", "run_id": RUN_ID},
    )
    user_id: str
    prediction: Literal[0, 1]
    """1 if the probability is above the threshold"""
    probability: float
    threshold: float
    calibration: str
    """How the probability was calibrated: sigmoid, isotonic, or none for the classifier's own score"""
    features_used: dict[str, bool | int | float | str]
    as_of: AsOf
    feature_service: str
    model: ModelVersion
    reasons: Reasons | None = None
    """If the request has `explain`"""
    overridden: list[str] | None = None
    """Features whose values came with the request"""
    stale_features: list[str] | None = None


class UserFailure(BaseModel):
    """Why one of several users has no prediction; the same members as an error for a single user."""

    model_config = ConfigDict(extra="forbid")
    user_id: str
    type: str
    title: str
    status: int
    code: str
    detail: str
    error: str
    remedy: str
    fields: list[str] | None = None
    missing_features: list[str] | None = None
    stale_features: list[str] | None = None
    unknown_categories: dict[str, str] | None = None


class PredictionAnswers(BaseModel):
    """One result per user, in the order of the request."""

    model_config = ConfigDict(extra="forbid")
    results: list[PredictionAnswer | UserFailure]


class Predicted(RootModel[PredictionAnswer | PredictionAnswers]):
    """For user_id one prediction; for user_ids a list of results."""
