"""The ways a request can end badly. Each class carries what a client may see of it; problem.py writes that down.

EnricherError (500)
├── InvalidSetting            at start, never an answer
├── InvalidRequest (422)      fields
├── MissingFeatures (422)     user_id, missing_features
│   └── UnknownUser (404)
├── RequestRefused            what HTTP itself refuses: its own status (400, 405, …) and headers
│   ├── NoSuchPath (404)
│   ├── WrongMethod (405)
│   ├── BodyTooLarge (413)
│   └── NotJson (415)
├── NoAnswer                  a server did not answer in time; translated at the border, never an answer
└── Unavailable (503)         retry_after_s
    ├── StoreUnavailable
    ├── ModelUnavailable
    │   ├── ModelRejected     the model server refused the rows
    │   ├── AnotherVersion    the model server is not the one it was taken for; feature_service
    │   └── NoLiveModel       the watcher has no model server to turn to at this moment
    ├── RolloutUnavailable    the watcher was never reached
    └── RegistryUnavailable
        └── NoServingVersion
"""

from collections.abc import Mapping, Sequence
from typing import Any


class EnricherError(Exception):
    status = 500
    code = "internal_error"
    title = "A fault of the gateway"
    remedy = "report the request id; the trace is in the gateway's log"

    def members(self) -> dict[str, Any]:
        """What this error tells beside its code and message."""
        return {}

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class InvalidSetting(EnricherError):
    """A setting that makes no sense; the gateway does not start with it."""


class InvalidRequest(EnricherError):
    status = 422
    code = "invalid_request"
    title = "The request is wrong"
    remedy = "mend what `detail` says; `fields` names where"

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = list(fields)

    def members(self) -> dict[str, Any]:
        return {"fields": self.fields}


class MissingFeatures(EnricherError):
    status = 422
    code = "missing_features"
    title = "The user is known and lacks features"
    remedy = "complete the month's files (`missing_features` names what lacks), ingest and materialise them"

    def __init__(self, user_id: str, missing_features: Sequence[str]) -> None:
        super().__init__(f"Missing features for user_id={user_id}")
        self.user_id = user_id
        self.missing_features = list(missing_features)

    def members(self) -> dict[str, Any]:
        return {"missing_features": self.missing_features}


class UnknownUser(MissingFeatures):
    status = 404
    code = "unknown_user"
    title = "Nothing is known of the user"
    remedy = "check the id; is the user's month materialised?"


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
    title = "The path is there, but not for this method"
    remedy = "use a method of the header `Allow`"


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


class NoAnswer(EnricherError):
    pass


class Unavailable(EnricherError):
    status = 503
    code = "unavailable"
    title = "A part does not answer"
    remedy = "try again after `Retry-After`; `/ready` names the part"
    retry_after_s = 1

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    title = "The feature store did not answer in time"


class ModelUnavailable(Unavailable):
    code = "model_unavailable"
    title = "The model server did not answer rightly in time"


class ModelRejected(ModelUnavailable):
    code = "model_rejected"
    title = "The model server refused the features"
    remedy = "are version and feature list made for each other? See the gateway's and the model server's log"


class AnotherVersion(ModelUnavailable):
    code = "another_version"
    title = "Another version answered than the one that is live"

    def __init__(self, message: str, feature_service: str) -> None:
        super().__init__(message)
        self.feature_service = feature_service


class NoLiveModel(ModelUnavailable):
    code = "no_live_model"
    title = "No model server is live: it is being started again, or nothing is in Production"


class RolloutUnavailable(Unavailable):
    code = "rollout_unavailable"
    title = "The watcher has not yet said which model server is live"
    remedy = "is the watcher running? Try again after `Retry-After`"


class RegistryUnavailable(Unavailable):
    code = "registry_unavailable"
    title = "The feature list is not known yet, and the model registry did not answer"


class NoServingVersion(RegistryUnavailable):
    code = "no_serving_version"
    title = "No version is in Production, or it does not name its feature list"
    remedy = "`mlflow run . -e register`"
