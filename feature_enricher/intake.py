"""What a client may send: the rules for a user_id, and the body of POST /predict. Raises InvalidRequest."""

import json
import math
import unicodedata
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from feature_enricher.errors import InvalidRequest, NotJson

# Cc: control characters, NUL among them (PostgreSQL cannot store it). Cs: lone surrogates, not text.
FORBIDDEN_CATEGORIES = {"Cc", "Cs"}
JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def user_id_of(request: Request, longest: int) -> str:
    """The user_id of a body {"user_id": …} that holds nothing else."""
    body = _object_of(request)
    unknown = [name for name in body if name != "user_id"]
    if unknown:
        raise InvalidRequest(f"Unknown fields: {', '.join(unknown)}. Only user_id is expected", unknown)
    if "user_id" not in body:
        raise InvalidRequest("user_id is missing", ["user_id"])
    return checked_user_id(body["user_id"], longest)


def checked_user_id(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise _wrong_user_id(f"must be a string, not {JSON_TYPES[type(value)]}")
    if not value:
        raise _wrong_user_id("must not be empty")
    if len(value) > longest:
        raise _wrong_user_id(f"must not be longer than {longest} characters")
    if any(unicodedata.category(character) in FORBIDDEN_CATEGORIES for character in value):
        raise _wrong_user_id("must not contain control characters or broken text")
    return value


def _wrong_user_id(what: str) -> InvalidRequest:
    return InvalidRequest(f"user_id {what}", ["user_id"])


def _object_of(request: Request) -> dict[str, Any]:
    if not request.is_json:
        raise NotJson("Content-Type must be application/json")
    body = _parsed(_whole_body(request))
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object with the field user_id", ["user_id"])
    return body


def _whole_body(request: Request) -> bytes:
    data = request.get_data()
    # Without a Content-Length, werkzeug cuts a body off at the limit where it should refuse it.
    if request.content_length is None and len(data) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    return data


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (
        ValueError,
        RecursionError,
    ) as error:  # a decoding error is a ValueError; so is a number too long to read
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
