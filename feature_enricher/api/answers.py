"""Results as the bodies of HTTP answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Any

from feature_enricher.api.problems import problem
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import InvalidRequest
from feature_enricher.errors.upstream import Unavailable
from feature_enricher.prediction.predictor import Item, Result
from feature_enricher.upstream.model_server import Prediction
from feature_store.reading import FeatureRow

MOMENTS_KEPT = 1000


def one_answer(item: Item, result: Result) -> dict[str, Any]:
    """Raises the user's error."""
    if isinstance(result, EnricherError):
        raise result
    return prediction(item.user_id, result)


def list_of_answers(items: Sequence[Item], results: Sequence[Result]) -> dict[str, Any]:
    """Each user's answer or error, in order. Raises an error that affects the whole list."""
    if all(isinstance(result, Unavailable) for result in results):
        one_answer(items[0], results[0])
    # all users share the overrides: if they are invalid, so is the request
    for error in (result for result in results if type(result) is InvalidRequest):
        raise error
    return {"results": [_list_entry(item.user_id, result) for item, result in zip(items, results, strict=True)]}


def prediction(user_id: str, result: Prediction) -> dict[str, Any]:
    row = result.row
    answer = {
        "user_id": user_id,
        "prediction": result.prediction,
        "probability": result.probability,
        "threshold": result.threshold,
        "calibration": result.calibration,
        "features_used": row.features,
        "as_of": _as_of(row.event_times),
        "feature_service": result.feature_service,
        "model": {"name": result.model_name, "version": result.model_version, "run_id": result.run_id},
    }
    if result.reasons is not None:
        answer["reasons"] = result.reasons
    if row.overridden:
        answer["overridden"] = row.overridden
    return _flagged(answer, row)


def features(user_id: str, row: FeatureRow) -> dict[str, Any]:
    return _flagged({"user_id": user_id, "features": row.features, "as_of": _as_of(row.event_times)}, row)


def _flagged(answer: dict[str, Any], row: FeatureRow) -> dict[str, Any]:
    return answer | {"stale_features": row.stale_features} if row.stale_features else answer


def _list_entry(user_id: str, result: Result) -> dict[str, Any]:
    if isinstance(result, EnricherError):
        return {"user_id": user_id, **problem(result)}
    return prediction(user_id, result)


def _as_of(event_times: Mapping[str, datetime]) -> str | dict[str, str] | None:
    """One day if all views agree, else view -> day. None if every value came with the request."""
    if len(moments := set(event_times.values())) == 1:
        return _iso(*moments)
    return {view: _iso(moment) for view, moment in event_times.items()} or None


@lru_cache(MOMENTS_KEPT)
def _iso(moment: datetime) -> str:
    in_utc = moment.astimezone(UTC)
    return in_utc.date().isoformat() if in_utc.timetz() == time(tzinfo=UTC) else in_utc.isoformat()
