"""What a client may send: the rules for a user_id, and the body of POST /predict. Raises InvalidRequest."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from feature_enricher.errors import InvalidRequest, NotJson, RequestRefused, TooManyUsers
from feature_enricher.text import is_readable

FIELDS = ("user_id", "user_ids", "features")
JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


@dataclass(frozen=True)
class Wanted:
    """What a body asks for."""

    user_ids: list[str]
    is_list: bool
    """Asked for with user_ids, and so answered with a list"""
    overrides: Mapping[str, Any]


def wanted_by(request: Request, longest_id: int, most_users: int) -> Wanted:
    """The body {"user_id": …} or {"user_ids": […]}, with an optional object `features`."""
    body = _object_of(request)
    unknown = [name for name in body if name not in FIELDS]
    if unknown:
        raise InvalidRequest(f"Unknown fields: {', '.join(unknown)}. Expected: {', '.join(FIELDS)}", unknown)
    overrides = body.get("features", {})
    if not isinstance(overrides, dict):
        raise InvalidRequest(f"features must be an object, not {JSON_TYPES[type(overrides)]}", ["features"])
    if "user_id" in body and "user_ids" in body:
        raise InvalidRequest("Give user_id or user_ids, not both", ["user_id", "user_ids"])
    if "user_ids" in body:
        return Wanted(_checked_list(body["user_ids"], longest_id, most_users), True, overrides)
    if "user_id" not in body:
        raise InvalidRequest("user_id is missing", ["user_id"])
    return Wanted([checked_user_id(body["user_id"], longest_id)], False, overrides)


def checked_user_id(value: object, longest: int, field: str = "user_id") -> str:
    if not isinstance(value, str):
        raise _wrong(field, f"must be a string, not {JSON_TYPES[type(value)]}")
    if not value:
        raise _wrong(field, "must not be empty")
    if len(value) > longest:
        raise _wrong(field, f"must not be longer than {longest} characters")
    if not is_readable(value):
        raise _wrong(field, "must not contain control characters or broken text")
    return value


def _checked_list(value: object, longest_id: int, most: int) -> list[str]:
    if not isinstance(value, list):
        raise _wrong("user_ids", f"must be an array, not {JSON_TYPES[type(value)]}")
    if not value:
        raise _wrong("user_ids", "must not be empty")
    if len(value) > most:
        raise TooManyUsers(f"user_ids has {len(value)} users; one request may ask for {most}")
    return [checked_user_id(user_id, longest_id, f"user_ids[{i}]") for i, user_id in enumerate(value)]


def _wrong(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{field} {what}", [field])


def _object_of(request: Request) -> dict[str, Any]:
    if not request.is_json:
        raise NotJson("Content-Type must be application/json")
    body = _parsed(_whole_body(request))
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object with the field user_id or user_ids", ["user_id"])
    return body


def _whole_body(request: Request) -> bytes:
    try:
        data = request.get_data()
    except OSError as error:  # the time limit of the connection's reads, or an end that came too early
        raise RequestRefused("The body did not arrive whole and in time", HTTPStatus.REQUEST_TIMEOUT) from error
    # Without a Content-Length, werkzeug cuts a body off at the limit where it should refuse it.
    if request.content_length is None and len(data) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    return data


def _parsed(data: bytes) -> Any:
    try:
        return DECODER.decode(data.decode("utf-8"))
    # a decoding error is a ValueError; so is a number too long to read
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 leaves open which of two equal names counts: so, neither."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidRequest(f"Given more than once: {', '.join(twice)}", twice)
    return found


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_without_twins)
