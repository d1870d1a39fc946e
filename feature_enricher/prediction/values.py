"""The values that a client may send: texts, and feature values that override stored ones.

One pydantic type per kind of value checks it and describes it in the OpenAPI document.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic requires this one before Python 3.12

from feature_enricher.errors.requests import InvalidRequest
from feature_store.reading import Plan

EXPLAIN = "explain"
OVERRIDES = "Values to use instead of the stored ones"
LONGEST_TEXT = 1024
LARGEST_EXACT_FLOAT = 2**53  # above it, one float stands for several whole numbers
# Control characters, among them NUL, which PostgreSQL cannot store. pydantic refuses lone surrogates itself.
FORBIDDEN_PATTERN = "[\\x00-\\x1f\\x7f-\\x9f]"
FORBIDDEN = re.compile(FORBIDDEN_PATTERN)
BROKEN_TEXT = "must not contain control characters or broken text"
# Limits of a message: its length must not grow with the number of errors.
MOST_NAMED = 10
LONGEST_SHOWN = 50
JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _readable(text: str) -> str:
    if FORBIDDEN.search(text):
        raise PydanticCustomError("unreadable", BROKEN_TEXT)
    return text


def text_type(longest: int, shortest: int = 0, **schema: Any) -> Any:
    """A string of `shortest` to `longest` characters. `schema`: further keywords for the OpenAPI document."""
    # "not", because a pattern for the whole text would allow a newline at the end
    keywords = {"not": {"pattern": FORBIDDEN_PATTERN}, **schema}
    limits = Field(strict=True, min_length=shortest, max_length=longest, json_schema_extra=keywords)
    return Annotated[str, limits, AfterValidator(_readable)]


def _whole(value: object) -> object:
    """Accepts 70.0, as a month's files do."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT_FLOAT:
        return int(value)
    return value


def _int_type(bits: int) -> Any:
    limits = Field(strict=True, ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)
    return Annotated[int, limits, BeforeValidator(_whole)]


FLOAT = Annotated[float, Field(strict=True, allow_inf_nan=False)]
TEXT = text_type(LONGEST_TEXT)
KINDS: Mapping[str, tuple[str, Any, bool | int | float | str]] = {
    "Bool": ("a boolean", Annotated[bool, Field(strict=True)], True),
    "Int32": ("a whole number within 32 bits", _int_type(32), 12),
    "Int64": ("a whole number within 64 bits", _int_type(64), 12),
    "Float32": ("a finite number in double precision", FLOAT, 98.7),
    "Float64": ("a finite number in double precision", FLOAT, 98.7),
    "String": (f"a text of at most {LONGEST_TEXT} characters without control characters", TEXT, "a text"),
}
"""Feast's name of a type -> its description, the pydantic type, and an example"""


def explain_type() -> Any:
    """A whole number from 0; the largest depends on the live version's features."""
    return Annotated[int, Field(strict=True, ge=0), BeforeValidator(_whole)]


def explain_refusal(plan: Plan, value: int) -> InvalidRequest:
    most = len(plan.names)
    message = f"{EXPLAIN} must be a whole number from 0 to {most}, the features of {plan.service}, not {value}"
    return InvalidRequest(message, [EXPLAIN])


def checked(plan: Plan, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the model's types. Raises InvalidRequest, which names the invalid features."""
    try:
        values: dict[str, Any] = _overrides(plan.names, plan.types).validate_python(overrides)
    except ValidationError as error:
        raise _refusal(plan, error) from None
    return values


def checked_once(
    plan: Plan, overrides_of_items: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any] | InvalidRequest]:
    """One result per item, in order: its checked values or the error. Overrides shared by items are checked once."""
    results: dict[int, Mapping[str, Any] | InvalidRequest] = {}
    for overrides in {id(overrides): overrides for overrides in overrides_of_items}.values():
        try:
            results[id(overrides)] = checked(plan, overrides) if overrides else {}
        except InvalidRequest as error:
            results[id(overrides)] = error
    return [results[id(overrides)] for overrides in overrides_of_items]


def schema(plan: Plan) -> dict[str, Any]:
    """The same rules for the OpenAPI document."""
    return _overrides(plan.names, plan.types).json_schema() | {"description": OVERRIDES}


def example(plan: Plan) -> dict[str, Any]:
    """A value of each feature's type."""
    return {name: KINDS[kind][2] for name, kind in zip(plan.names, plan.types, strict=True) if kind in KINDS}


@lru_cache(16)
def _overrides(names: tuple[str, ...], types: tuple[str, ...]) -> TypeAdapter[dict[str, Any]]:
    fields = {name: KINDS[kind][1] for name, kind in zip(names, types, strict=True) if kind in KINDS}
    overrides = TypedDict("Overrides", fields, total=False)  # type: ignore[misc]
    overrides.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(overrides)  # type: ignore[arg-type]
    return adapter


def _refusal(plan: Plan, error: ValidationError) -> InvalidRequest:
    invalid = {detail["loc"][0]: detail["input"] for detail in error.errors(include_url=False) if detail["loc"]}
    types = dict(zip(plan.names, plan.types, strict=True))
    unknown = [str(name) for name in invalid if name not in types]
    if unknown or not invalid:
        text = listed(unknown) if unknown else "a name with broken text"
        message = f"Not features of {plan.service}: {text}. Expected: {listed(plan.names)}"
        return InvalidRequest(message, fields_named(unknown, "features."))
    text = "; ".join(
        _must_be(str(name), types[str(name)], value) for name, value in islice(invalid.items(), MOST_NAMED)
    )
    return InvalidRequest(text, fields_named([str(name) for name in invalid], "features."))


def _must_be(name: str, kind: str, value: object) -> str:
    if kind not in KINDS:
        return f"features.{name} has the type {kind}, which a request cannot override"
    return f"features.{name} must be {KINDS[kind][0]}, not {shown(value)}"


def fields_named(names: Sequence[str], prefix: str = "") -> list[str]:
    return [f"{prefix}{shortened(name)}" for name in names[:MOST_NAMED]]


def listed(names: Sequence[str]) -> str:
    """The first names, and the number of further ones."""
    text = ", ".join(shortened(name) for name in names[:MOST_NAMED])
    return f"{text} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else text


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def shown(value: object) -> str:
    """The value's JSON type, and the value itself unless it is null, an array or an object."""
    kind = JSON_TYPES[type(value)]
    if value is None or isinstance(value, list | dict):
        return kind
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else shortened(repr(value))
    return f"{kind}: {text}"


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    seen: set[str] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
