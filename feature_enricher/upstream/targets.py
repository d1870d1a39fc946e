"""The model server for the next batch, and the version that its answers must have.

A target is immutable: a batch takes one at its start and uses its address and feature list throughout.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from feature_enricher.errors.base import EnricherError, reason
from feature_enricher.errors.requests import MissingFeatures
from feature_enricher.errors.upstream import AnotherVersion, ModelRejected, Unavailable
from feature_enricher.upstream.model_server import ModelAnswer, ModelClient
from feature_store.deadline import Deadline

# A user may have the features of a newer list and miss those of the old one. One recheck in this time is enough.
RECHECK_S = 30.0
RELOAD_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelTarget:
    url: str
    feature_service: str
    model: ModelClient = field(compare=False, repr=False)
    model_name: str | None = None
    version: str | None = None
    run_id: str | None = None
    """None if the server was started by hand: then any version with this feature list may answer"""

    def matches(self, answer: ModelAnswer) -> bool:
        """Whether the answer is from this target's version, with its feature list."""
        if answer.feature_service != self.feature_service:
            return False
        identity = (answer.model_name, answer.model_version, answer.run_id)
        return self.run_id is None or identity == (self.model_name, self.version, self.run_id)


class Targets(Protocol):
    def current(self, deadline: Deadline) -> ModelTarget:
        """Raises Unavailable if there is none."""

    def alternative(self, tried: ModelTarget, refusal: EnricherError, deadline: Deadline) -> ModelTarget:
        """The target to try after `tried` failed with `refusal`. Raises the refusal if there is none."""

    def recheck(self, tried: ModelTarget, missing: MissingFeatures) -> None:
        """Checks in the background whether the feature list is out of date, after features of a user were missing."""

    def close(self) -> None:
        """Ends the background threads."""

    def state(self) -> dict[str, Any]:
        """For /ready: serving (or None), warnings, problem, and a note if these may be out of date."""


class FeatureListSource(Protocol):
    def feature_service(self, deadline: Deadline) -> str:
        """Raises Unavailable."""


class FixedModelServer:
    """One model server at a fixed address. The feature list comes from the source at first, then from the answers."""

    def __init__(self, url: str, model: ModelClient, source: FeatureListSource) -> None:
        self._url = url
        self._model = model
        self._source = source
        self._target: ModelTarget | None = None
        self._reloading = threading.Lock()
        self._rechecked = -RECHECK_S

    def current(self, deadline: Deadline) -> ModelTarget:
        if self._target is None:
            return self._set_target(self._source.feature_service(deadline))
        return self._target

    def alternative(self, tried: ModelTarget, refusal: EnricherError, deadline: Deadline) -> ModelTarget:
        if isinstance(refusal, AnotherVersion):
            return self._set_target(refusal.feature_service)
        if not isinstance(refusal, ModelRejected):
            raise refusal
        try:
            current = self._source.feature_service(deadline)
        except Unavailable:
            raise refusal from None
        if current == tried.feature_service:
            raise refusal
        return self._set_target(current)

    def recheck(self, tried: ModelTarget, missing: MissingFeatures) -> None:
        del tried, missing
        now = time.monotonic()
        if now - self._rechecked >= RECHECK_S and self._reloading.acquire(blocking=False):
            self._rechecked = now
            # requests do not wait for it
            threading.Thread(target=self._reload, name="reload-feature-list", daemon=True).start()

    def close(self) -> None:
        """Nothing to end."""

    def state(self) -> dict[str, Any]:
        serving = self._target and {"url": self._url, "feature_service": self._target.feature_service}
        return {"serving": serving, "warnings": [], "problem": None, "note": None}

    def _set_target(self, service: str) -> ModelTarget:
        self._target = ModelTarget(self._url, service, self._model)
        return self._target

    def _reload(self) -> None:
        try:
            self._set_target(self._source.feature_service(Deadline.after(RELOAD_S)))
        except Unavailable as error:
            log.warning("A user has missing features, and the feature list could not be rechecked: %s", reason(error))
        finally:
            self._reloading.release()
