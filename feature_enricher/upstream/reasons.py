"""The reasons in a model server's answer, checked before use, and the strongest of them."""

from collections.abc import Mapping, Sequence
from math import isclose, isfinite
from typing import Any

from feature_store.reading import FeatureRow

SCALES = ("probability", "log_odds")
DIRECTIONS = ("raises", "lowers", "none")
TOLERANCE = 1e-9

Reasons = Mapping[str, Any]
"""scale, base_value, score, other_features, and features: name, value, contribution and direction, strongest first"""


def checked_reasons(answer: Any, row: FeatureRow) -> Reasons | None:
    """None for an answer without any. Raises ValueError, TypeError or KeyError for invalid ones."""
    if answer is None:
        return None
    reasons: dict[str, Any] = {
        "scale": _listed_in(SCALES, answer["scale"]),
        "base_value": _number(answer["base_value"]),
        "score": _number(answer["score"]),
        "features": [_feature(part, row) for part in answer["features"]],
        "other_features": _number(answer["other_features"]),
    }
    added_up = reasons["base_value"] + contributed(reasons["features"]) + reasons["other_features"]
    if not isclose(added_up, reasons["score"], rel_tol=0, abs_tol=TOLERANCE):
        raise ValueError(f"The contributions add up to {added_up}, not to {reasons['score']}")
    return reasons


def strongest(reasons: Reasons, number: int) -> Reasons:
    features = reasons["features"]
    rest = reasons["other_features"] + contributed(features[number:])
    return {**reasons, "features": features[:number], "other_features": rest}


def contributed(features: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(feature["contribution"] for feature in features))


def _feature(part: Any, row: FeatureRow) -> dict[str, Any]:
    name = part["feature"]
    return {
        "feature": name,
        "value": row.features[name],
        "contribution": _number(part["contribution"]),
        "direction": _listed_in(DIRECTIONS, part["direction"]),
    }


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _listed_in(allowed: Sequence[str], value: object) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return str(value)
