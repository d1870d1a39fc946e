"""What is wrong with a request, or with what is known of its user."""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_enricher.errors.base import EnricherError


class InvalidRequest(EnricherError):
    status = 422
    code = "invalid_request"
    title = "The request is wrong"
    remedy = "fix the fields listed in `fields`; see `detail`"

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = list(fields)

    def members(self) -> dict[str, Any]:
        return {"fields": self.fields}


class MissingFeatures(EnricherError):
    status = 422
    code = "missing_features"
    title = "The user is known, but features are missing"
    remedy = "complete the month's files (`missing_features` lists what is missing), ingest and materialise them"

    def __init__(self, user_id: str, missing_features: Sequence[str]) -> None:
        super().__init__(f"Missing features for user_id={user_id}")
        self.user_id = user_id
        self.missing_features = list(missing_features)

    def members(self) -> dict[str, Any]:
        return {"missing_features": self.missing_features}


class UnknownUser(MissingFeatures):
    status = 404
    code = "unknown_user"
    title = "The store has no features of the user"
    remedy = "check the id; is the user's month materialised?"


class StaleFeatures(EnricherError):
    status = 422
    code = "stale_features"
    title = "The user's features are older than their largest age"
    remedy = "materialise the newest month; while that runs, try again"

    def __init__(self, user_id: str, stale_features: Sequence[str]) -> None:
        super().__init__(f"Stale features for user_id={user_id}")
        self.user_id = user_id
        self.stale_features = list(stale_features)

    def members(self) -> dict[str, Any]:
        return {"stale_features": self.stale_features}


class UnknownCategory(EnricherError):
    status = 422
    code = "unknown_category"
    title = "The live version was not trained on a category of the user"
    remedy = "train on a month that has it (`unknown_categories` names feature and value), then promote"

    def __init__(self, user_id: str, unknown_categories: Mapping[str, str]) -> None:
        told = ", ".join(f"{name} = {value!r}" for name, value in unknown_categories.items())
        super().__init__(f"The live version was not trained on {told} of user_id={user_id}")
        self.user_id = user_id
        self.unknown_categories = dict(unknown_categories)

    def members(self) -> dict[str, Any]:
        return {"unknown_categories": self.unknown_categories}


class ValuesRefused(InvalidRequest):
    status = 409
    code = "values_refused"
    title = "The live version does not accept the values in the request"
    remedy = "send values like those it was trained on; `fields` lists those sent"


class Unauthorized(EnricherError):
    status = 401
    code = "unauthorized"
    title = "API key missing or invalid"
    remedy = "send `X-API-Key: KEY` or `Authorization: Bearer KEY`"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class TooManyUsers(EnricherError):
    status = 413
    code = "too_many_users"
    title = "More users than one request may ask for"
    remedy = "split the list; `detail` names the limit"


class RequestRefused(EnricherError):
    status = 400
    code = "refused"
    title = "HTTP itself refuses the request"
    remedy = "see the status and `detail`"

    def __init__(self, message: str, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status
        self._headers = dict(headers or {})

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers


class NoSuchPath(RequestRefused):
    status = 404
    code = "no_such_path"
    title = "There is no such path"
    remedy = "see /docs"


class WrongMethod(RequestRefused):
    status = 405
    code = "wrong_method"
    title = "The path does not take this method"
    remedy = "use a method listed in the header `Allow`"


class BodyTooLarge(RequestRefused):
    status = 413
    code = "body_too_large"
    title = "The body is too large"
    remedy = "send less at once"


class NotJson(RequestRefused):
    status = 415
    code = "not_json"
    title = "The body is not JSON"
    remedy = "send `Content-Type: application/json`"


class UnsupportedEncoding(RequestRefused):
    status = 415
    code = "unsupported_encoding"
    title = "The body is compressed, or not in UTF-8"
    remedy = "send JSON in UTF-8 without `Content-Encoding`"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}
