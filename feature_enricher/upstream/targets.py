"""Which model server the next batch goes to, and what it must say of itself to be believed.

A target is immutable: a batch takes one at its start and uses its address and its feature list throughout.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from feature_enricher.errors.base import EnricherError, reason
from feature_enricher.errors.requests import MissingFeatures
from feature_enricher.errors.upstream import AnotherVersion, ModelRejected, RegistryUnavailable
from feature_enricher.upstream.model_server import Model, ModelAnswer
from feature_store.deadline import Deadline

# A user without features may be one whom a newer list would serve; worth asking, but not for every such user.
RECHECK_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    url: str
    feature_service: str
    model: Model = field(compare=False, repr=False)
    model_name: str | None = None
    version: str | None = None
    run_id: str | None = None
    """None where the server was started by hand: then whoever answers is the right one"""

    def matches(self, answer: ModelAnswer) -> bool:
        """Whether the answer is this target's: of its version, with its features."""
        if answer.feature_service != self.feature_service:
            return False
        identity = (answer.model_name, answer.model_version, answer.run_id)
        return self.run_id is None or identity == (self.model_name, self.version, self.run_id)


class Targets(Protocol):
    def current(self, deadline: Deadline) -> Target:
        """Raises Unavailable when there is none."""

    def another(self, tried: Target, refusal: EnricherError, deadline: Deadline) -> Target:
        """The target to try after `tried` failed so; raises the refusal when there is no other."""

    def recheck(self, tried: Target, missing: MissingFeatures) -> None:
        """Told of users for whom the target's list is not complete; returns at once."""

    def close(self) -> None:
        """Ends what runs in the background."""

    def state(self) -> dict[str, Any]:
        """What /ready shows: serving (or null), warnings, problem, and a note when it may be out of date."""


class Registry(Protocol):
    def feature_service(self) -> str: ...


class HandStarted:
    """One fixed address. The feature list comes from the registry once, and then from the answers themselves."""

    def __init__(self, url: str, model: Model, registry: Registry) -> None:
        self._url = url
        self._model = model
        self._registry = registry
        self._target: Target | None = None
        self._asked = threading.Lock()
        self._rechecked = -RECHECK_S

    def current(self, deadline: Deadline) -> Target:
        del deadline  # the registry has a time limit of its own
        if self._target is None:
            self._learn(self._registry.feature_service())
        assert self._target is not None  # noqa: S101 - just learnt
        return self._target

    def another(self, tried: Target, refusal: EnricherError, deadline: Deadline) -> Target:
        del deadline
        if isinstance(refusal, AnotherVersion):
            return self._learn(refusal.feature_service)
        if not isinstance(refusal, ModelRejected):
            raise refusal
        try:
            current = self._registry.feature_service()
        except RegistryUnavailable:
            raise refusal from None
        if current == tried.feature_service:
            raise refusal
        return self._learn(current)

    def recheck(self, tried: Target, missing: MissingFeatures) -> None:
        del tried, missing
        now = time.monotonic()
        if now - self._rechecked >= RECHECK_S and self._asked.acquire(blocking=False):
            self._rechecked = now
            # a request must not wait for the registry
            threading.Thread(target=self._ask_again, name="ask-registry", daemon=True).start()

    def close(self) -> None:
        """Nothing runs."""

    def state(self) -> dict[str, Any]:
        serving = self._target and {"url": self._url, "feature_service": self._target.feature_service}
        return {"serving": serving, "warnings": [], "problem": None, "note": None}

    def _learn(self, service: str) -> Target:
        self._target = Target(self._url, service, self._model)
        return self._target

    def _ask_again(self) -> None:
        try:
            self._learn(self._registry.feature_service())
        except RegistryUnavailable as error:
            log.warning("A user lacks features, and whether the list is still right is unknown: %s", reason(error))
        finally:
            self._asked.release()
