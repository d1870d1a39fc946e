"""Errors of the servers behind the gateway: each is a 503 with Retry-After."""

from collections.abc import Mapping

from feature_enricher.errors.base import EnricherError


class Unavailable(EnricherError):
    status = 503
    code = "unavailable"
    title = "A server behind the gateway does not answer"
    remedy = "try again after `Retry-After`; see `/ready` for the failed check"
    retry_after_s = 1
    counts_as_failure = True
    """Whether circuit breakers count it"""

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class Overloaded(Unavailable):
    code = "overloaded"
    title = "Too many requests in flight"
    remedy = "send fewer requests; try again after `Retry-After`"


class DeadlineExceeded(Unavailable):
    code = "deadline_exceeded"
    title = "The request was not answered by its deadline"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    title = "The feature store did not answer in time"


class ModelUnavailable(Unavailable):
    code = "model_unavailable"
    title = "The model server returned no valid answer in time"


class StoreCircuitOpen(StoreUnavailable):
    code = "store_circuit_open"
    title = "The feature store failed several times in a row: its circuit breaker is open for 0.5 s"


class ModelCircuitOpen(ModelUnavailable):
    code = "model_circuit_open"
    title = "The model server failed several times in a row: its circuit breaker is open for 0.5 s"


class ModelRejected(ModelUnavailable):
    counts_as_failure = False
    code = "model_rejected"
    title = "The model server refused the features"
    remedy = "check that the version fits its feature list; see the logs of gateway and model server"


class AnotherVersion(ModelUnavailable):
    code = "another_version"
    title = "The answering version is not the live one"

    def __init__(self, message: str, feature_service: str) -> None:
        super().__init__(message)
        self.feature_service = feature_service


class NoLiveModel(ModelUnavailable):
    code = "no_live_model"
    title = "No model server is live: it is being restarted, or no version is in Production"


class RolloutUnavailable(Unavailable):
    code = "rollout_unavailable"
    title = "The watcher has not yet named a live model server"
    remedy = "check that the watcher runs; try again after `Retry-After`"
