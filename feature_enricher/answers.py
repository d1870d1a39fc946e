"""Results as a client sees them."""

from collections.abc import Sequence
from typing import Any

from feature_enricher.access_log import OK
from feature_enricher.errors import EnricherError, InvalidRequest, Unavailable
from feature_enricher.intake import Wanted
from feature_enricher.problem import problem
from feature_enricher.serving import Known, Scored


def code_of(result: Scored | EnricherError) -> str:
    return result.code if isinstance(result, EnricherError) else OK


def answer_to(wanted: Wanted, results: Sequence[Scored | EnricherError]) -> dict[str, Any]:
    """Raises the error of a single user; and of a list, the one that concerns all of it."""
    if not wanted.is_list:
        return scored(wanted.user_ids[0], _raised(results[0]))
    if all(isinstance(result, Unavailable) for result in results):
        _raised(results[0])
    # the overrides are the same for all users: where they are wrong, the request is
    for wrong in (result for result in results if type(result) is InvalidRequest):
        raise wrong
    return {"results": [_item(user_id, one) for user_id, one in zip(wanted.user_ids, results, strict=True)]}


def scored(user_id: str, result: Scored) -> dict[str, Any]:
    answer, known = result.answer, result.known
    told = {
        "user_id": user_id,
        "prediction": answer.prediction,
        "probability": answer.probability,
        "threshold": answer.threshold,
        "calibration": answer.calibration,
        "features_used": known.features,
        "as_of": known.as_of,
        "feature_service": answer.feature_service,
        "model": {"name": answer.model_name, "version": answer.model_version, "run_id": answer.run_id},
    }
    if known.overridden:
        told["overridden"] = known.overridden
    return _flagged(told, known)


def features(user_id: str, known: Known) -> dict[str, Any]:
    return _flagged({"user_id": user_id, "features": known.features, "as_of": known.as_of}, known)


def _flagged(told: dict[str, Any], known: Known) -> dict[str, Any]:
    return told | {"stale_features": known.stale_features} if known.stale_features else told


def _item(user_id: str, result: Scored | EnricherError) -> dict[str, Any]:
    if isinstance(result, EnricherError):
        return {"user_id": user_id, **problem(result)}
    return scored(user_id, result)


def _raised(result: Scored | EnricherError) -> Scored:
    if isinstance(result, EnricherError):
        raise result
    return result
