"""The ways a request can end badly. Each class carries its HTTP status; body() is all a client sees.

EnricherError (500)
├── InvalidSetting            at start, never an answer
├── InvalidRequest (422)      fields
├── MissingFeatures (422)     user_id, missing_features
│   └── UnknownUser (404)
├── RequestRefused            what HTTP itself refuses: its own status (404, 405, …) and headers
│   ├── BodyTooLarge (413)
│   └── NotJson (415)
├── NoAnswer                  a server did not answer in time; translated at the border, never an answer
└── Unavailable (503)
    ├── StoreUnavailable
    ├── ModelUnavailable
    │   └── ModelRejected     the model server refused the rows
    └── RegistryUnavailable
        └── NoServingVersion
"""

from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

LONGEST_REASON = 1000  # characters; a server's answer may be quoted in it


class EnricherError(Exception):
    status = 500

    def body(self) -> dict[str, Any]:
        return {"error": str(self)}


class InvalidSetting(EnricherError):
    """A setting that makes no sense; the gateway does not start with it."""


class InvalidRequest(EnricherError):
    status = 422

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = list(fields)

    def body(self) -> dict[str, Any]:
        return super().body() | {"fields": self.fields}


class MissingFeatures(EnricherError):
    status = 422

    def __init__(self, user_id: str, missing_features: Sequence[str]) -> None:
        super().__init__(f"Missing features for user_id={user_id}")
        self.user_id = user_id
        self.missing_features = list(missing_features)

    def body(self) -> dict[str, Any]:
        return super().body() | {"missing_features": self.missing_features}


class UnknownUser(MissingFeatures):
    status = 404


class RequestRefused(EnricherError):
    def __init__(self, message: str, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status
        self.headers = dict(headers or {})


class BodyTooLarge(RequestRefused):
    status = 413


class NotJson(RequestRefused):
    status = 415


class NoAnswer(EnricherError):
    pass


class Unavailable(EnricherError):
    status = 503


class StoreUnavailable(Unavailable):
    pass


class ModelUnavailable(Unavailable):
    pass


class ModelRejected(ModelUnavailable):
    pass


class RegistryUnavailable(Unavailable):
    pass


class NoServingVersion(RegistryUnavailable):
    pass


def as_enricher_error(error: Exception) -> EnricherError:
    """Whatever ended a request, as a member of the family: a client hears nothing else."""
    if isinstance(error, EnricherError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge("The body is too large")
    if isinstance(error, HTTPException):
        # A 405 must name the allowed methods (RFC 9110); nothing else of werkzeug's answer is for us.
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
        return RequestRefused(error.name, error.code, headers)
    return EnricherError("Internal error")


def reason(error: BaseException) -> str:
    """The error and its causes on one line, for the log alone."""
    told: list[str] = []
    link: BaseException | None = error
    while link is not None:
        told.append(f"{type(link).__name__}: {link}")
        link = link.__cause__
    return " ".join(" <- ".join(told).split())[:LONGEST_REASON]
