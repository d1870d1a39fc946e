"""Feature values that a request gives itself, against the types of the live version's features."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from feature_enricher.errors import InvalidRequest
from feature_enricher.text import FORBIDDEN_PATTERN, is_readable
from feature_repo.online_reader import Plan

SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1
LARGEST_EXACT_FLOAT = 2**53  # above it, a float may stand for several whole numbers
LONGEST_TEXT = 1024


def checked(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the model's types want them. Raises InvalidRequest, naming the features that are wrong."""
    types = dict(zip(plan.names, plan.types, strict=True))
    unknown = [name for name in given if name not in types]
    if unknown:
        raise InvalidRequest(f"Not features of {plan.service}: {', '.join(unknown)}", _fields(unknown))
    values: dict[str, Any] = {}
    for name, value in given.items():
        kind, convert = KINDS.get(types[name], ("of a type that can be overridden", _never))
        converted = convert(value)
        if converted is None:
            raise InvalidRequest(f"features.{name} must be {kind}", _fields([name]))
        values[name] = converted
    return values


def _fields(names: list[str]) -> list[str]:
    return [f"features.{name}" for name in names]


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _int(value: object) -> int | None:
    # 70.0 is whole, as in the files that a month is loaded from
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_FLOAT:
        value = int(value)
    # a bool is an int to Python
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if SMALLEST_INT <= value <= LARGEST_INT else None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond all floats
        return None


def _text(value: object) -> str | None:
    fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and is_readable(value)
    return value if fits and isinstance(value, str) else None


def _never(_value: object) -> None:
    return None


KINDS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "Bool": ("a boolean", _bool),
    "Int32": ("a whole number", _int),
    "Int64": ("a whole number within 64 bits", _int),
    "Float32": ("a finite number", _float),
    "Float64": ("a finite number", _float),
    "String": (f"a text of at most {LONGEST_TEXT} characters without control characters", _text),
}


def schema(plan: Plan) -> dict[str, Any]:
    """The same rules for the OpenAPI document, which so names the live version's features."""
    properties = {name: SCHEMAS[kind] for name, kind in zip(plan.names, plan.types, strict=True) if kind in SCHEMAS}
    return {"type": "object", "properties": properties, "additionalProperties": False}


INTEGER = {"type": "integer", "minimum": SMALLEST_INT, "maximum": LARGEST_INT}
NUMBER = {"type": "number"}
SCHEMAS: Mapping[str, dict[str, Any]] = {
    "Bool": {"type": "boolean"},
    "Int32": INTEGER,
    "Int64": INTEGER,
    "Float32": NUMBER,
    "Float64": NUMBER,
    "String": {"type": "string", "maxLength": LONGEST_TEXT, "not": {"pattern": FORBIDDEN_PATTERN}},
}
