"""Errors of a request, or of the stored features of its user."""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_enricher.errors.base import EnricherError


class InvalidRequest(EnricherError):
    status = 422
    code = "invalid_request"
    title = "The request is invalid"
    remedy = "fix the fields listed in `fields`; see `detail`"

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = list(fields)

    def members(self) -> dict[str, Any]:
        return {"fields": self.fields}


class MissingFeatures(EnricherError):
    status = 422
    code = "missing_features"
    title = "Some of the user's features are missing"
    remedy = "complete the month's files (see `missing_features`), ingest and materialise them"

    def __init__(self, user_id: str, missing_features: Sequence[str]) -> None:
        super().__init__(f"Missing features for user_id={user_id}")
        self.user_id = user_id
        self.missing_features = list(missing_features)

    def members(self) -> dict[str, Any]:
        return {"missing_features": self.missing_features}


class UnknownUser(MissingFeatures):
    status = 404
    code = "unknown_user"
    title = "The store has no features of this user"
    remedy = "check the id, and whether the user's month is materialised"


class StaleFeatures(EnricherError):
    status = 422
    code = "stale_features"
    title = "The user's features are older than their largest age"
    remedy = "materialise the newest month, or try again if that is running"

    def __init__(self, user_id: str, stale_features: Sequence[str]) -> None:
        super().__init__(f"Stale features for user_id={user_id}")
        self.user_id = user_id
        self.stale_features = list(stale_features)

    def members(self) -> dict[str, Any]:
        return {"stale_features": self.stale_features}


class UnknownCategory(EnricherError):
    status = 422
    code = "unknown_category"
    title = "The live version was not trained on a category of this user"
    remedy = "train on a month with this category (see `unknown_categories`), then promote"

    def __init__(self, user_id: str, unknown_categories: Mapping[str, str]) -> None:
        categories = ", ".join(f"{name} = {value!r}" for name, value in unknown_categories.items())
        super().__init__(f"The live version was not trained on {categories} of user_id={user_id}")
        self.user_id = user_id
        self.unknown_categories = dict(unknown_categories)

    def members(self) -> dict[str, Any]:
        return {"unknown_categories": self.unknown_categories}


class ValuesRefused(InvalidRequest):
    status = 409
    code = "values_refused"
    title = "The live version does not accept the values in the request"
    remedy = "send values like those in its training data; see `fields`"


class NoReasons(InvalidRequest):
    status = 409
    code = "no_reasons"
    title = "The live version gives no reasons"
    remedy = "ask without `explain`, or train again and promote the new version"


class Unauthorized(EnricherError):
    status = 401
    code = "unauthorized"
    title = "API key missing or invalid"
    remedy = "send `X-API-Key: KEY` or `Authorization: Bearer KEY`"

    def __init__(self, message: str, *, delay_s: float = 0.0) -> None:
        """delay_s: the server answers after it."""
        super().__init__(message)
        self.delay_s = delay_s

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class TooManyRequests(EnricherError):
    status = 429
    code = "too_many_requests"
    title = "More requests a second than this client may send"
    remedy = "send fewer requests, or several users in one; try again after `Retry-After`"

    def __init__(self, retry_after_s: int, client: str) -> None:
        """client: the name of its key."""
        super().__init__("More requests a second than ENRICHER_REQUESTS_PER_S allows")
        self.retry_after_s = retry_after_s
        self.client = client

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class TooManyUsers(EnricherError):
    status = 413
    code = "too_many_users"
    title = "Too many users in one request"
    remedy = "split the list; see `detail` for the limit"


class RequestRefused(EnricherError):
    status = 400
    code = "refused"
    title = "The request breaks a rule of HTTP"
    remedy = "see the status and `detail`"

    def __init__(self, message: str, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status or self.status
        self._headers = dict(headers or {})

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers


class ForeignHost(RequestRefused):
    status = 421
    code = "foreign_host"
    title = "The gateway does not serve this host"
    remedy = "use the gateway's own address, or list the host name in its setting ENRICHER_ALLOWED_HOSTS"


class NoSuchPath(RequestRefused):
    status = 404
    code = "no_such_path"
    title = "The path does not exist"
    remedy = "see /docs"


class WrongMethod(RequestRefused):
    status = 405
    code = "wrong_method"
    title = "The path does not allow this method"
    remedy = "use a method listed in the header `Allow`"


class BodyTooLarge(RequestRefused):
    status = 413
    code = "body_too_large"
    title = "The body is too large"
    remedy = "split the request"


class NotJson(RequestRefused):
    status = 415
    code = "not_json"
    title = "The body is not JSON"
    remedy = "send `Content-Type: application/json`"


class UnsupportedEncoding(RequestRefused):
    status = 415
    code = "unsupported_encoding"
    title = "The body is compressed or not in UTF-8"
    remedy = "send JSON in UTF-8 without `Content-Encoding`"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}
