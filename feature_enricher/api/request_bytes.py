"""Decodes a request's bytes to text and strict JSON: in linear time, and without guessing."""

import json
import math
from http import HTTPStatus
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from feature_enricher.errors.requests import InvalidRequest, NotJson, RequestRefused, UnsupportedEncoding
from feature_enricher.prediction.values import fields_named, listed, repeated, shortened

UTF_8 = {"utf-8", "utf8"}
# Servers' names for the path as the client sent it
RAW_PATHS = ("RAW_URI", "REQUEST_URI")


def path_of(request: Request) -> str:
    """Raises InvalidRequest for bytes that are not UTF-8 or not percent-encoded.

    Servers decode bytes without percent-encoding differently; the result may be the path of another user.
    """
    if not all(str(request.environ.get(name, "")).isascii() for name in RAW_PATHS):
        raise InvalidRequest("The path must be percent-encoded; it has bytes outside ASCII", ["path"])
    data = request.environ["PATH_INFO"].encode("latin-1")
    try:
        path: str = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The path must be percent-encoded UTF-8; %{data[error.start]:02X} at byte {error.start} is not"
        raise InvalidRequest(message, ["path"]) from error
    return f"/{path.lstrip('/')}"  # as the router reads it


def body_of(request: Request) -> Any:
    """The body as JSON. Raises InvalidRequest, NotJson, UnsupportedEncoding, RequestRefused."""
    _check_headers(request)
    data = _whole_body(request)
    try:
        return DECODER.decode(data.decode("utf-8-sig"))  # RFC 8259 allows skipping a byte order mark
    except UnicodeDecodeError as error:
        fault = f"byte 0x{data[error.start]:02x} at {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        fault = f"{error.msg} at line {error.lineno} column {error.colno}"
    except RecursionError:
        fault = "nested too deeply"
    except ValueError as error:  # a number too long to read, or one like NaN
        fault = str(error)
    raise InvalidRequest(f"The body is not valid JSON in UTF-8: {fault}")


def _check_headers(request: Request) -> None:
    if not request.is_json:
        raise NotJson(f"Content-Type must be application/json, not {shortened(request.mimetype) or 'empty'}")
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower() not in UTF_8:
        raise UnsupportedEncoding(f"The charset must be utf-8, not {shortened(charset)}")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncoding(f"Content-Encoding must be identity, not {shortened(encoding)}")


def _whole_body(request: Request) -> bytes:
    try:
        data = request.get_data()
    except OSError as error:  # the read timed out, or the body ended early
        raise RequestRefused("The body did not arrive completely in time", HTTPStatus.REQUEST_TIMEOUT) from error
    # Without a Content-Length, werkzeug truncates a body at the limit instead of refusing it.
    if request.content_length is None and len(data) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises InvalidRequest: RFC 8259 leaves open which of two equal names counts."""
    values = dict(pairs)
    if len(values) != len(pairs):
        names = repeated(name for name, _value in pairs)
        raise InvalidRequest(f"Repeated names: {listed(names)}", fields_named(names))
    return values


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_without_repetition)
