"""Answers for users, always with exactly the features that the answering version of the model asks for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from feature_enricher.errors import (
    MissingFeatures,
    ModelRejected,
    ModelUnavailable,
    RegistryUnavailable,
    UnknownUser,
)
from feature_enricher.features import Row
from feature_enricher.model import Prediction

# Each round asks with another feature list: the known one, the registry's, the one the answer names.
MAX_ROUNDS = 3
# A user without features may be one whom a newer list would serve; worth asking, but not for every such user.
RECHECK_S = 30.0


class Features(Protocol):
    def lookup(self, service: str, user_ids: Sequence[str]) -> list[Row]: ...


class Model(Protocol):
    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]: ...
    def ping(self) -> None: ...


class Registry(Protocol):
    def feature_service(self) -> str: ...


@dataclass(frozen=True)
class Scored:
    features_used: Row
    answer: Prediction


class Serving:
    """Remembers the FeatureService of the version that answered last: serving does without the registry."""

    def __init__(self, features: Features, model: Model, registry: Registry) -> None:
        self.features = features
        self.model = model
        self.registry = registry
        self._service: str | None = None
        self._rechecked = -RECHECK_S

    @property
    def known_service(self) -> str | None:
        return self._service

    def service(self) -> str:
        """Raises RegistryUnavailable when it is not known and the registry does not say."""
        if self._service is None:
            self._service = self.registry.feature_service()
        return self._service

    def features_of(self, user_ids: Sequence[str]) -> list[Row]:
        return self._complete(self.service(), user_ids)

    def predict(self, user_ids: Sequence[str]) -> list[Scored]:
        """Raises MissingFeatures for the first user whose row is not complete."""
        service = self.service()
        for _ in range(MAX_ROUNDS):
            try:
                rows = self._complete(service, user_ids)
                answers = self.model.predict(rows)
            except (MissingFeatures, ModelRejected) as refusal:
                service = self._another(service, refusal)
                continue
            asked = answers[0].feature_service
            if asked == service:
                self._service = service
                return [Scored(row, answer) for row, answer in zip(rows, answers, strict=True)]
            service = asked
        raise ModelUnavailable("The model server changes its feature list with every answer")

    def _complete(self, service: str, user_ids: Sequence[str]) -> list[Row]:
        rows = self.features.lookup(service, user_ids)
        for user_id, row in zip(user_ids, rows, strict=True):
            missing = [name for name, value in row.items() if value is None]
            if missing:
                kind = UnknownUser if len(missing) == len(row) else MissingFeatures
                raise kind(user_id, missing)
        return rows

    def _another(self, service: str, refusal: MissingFeatures | ModelRejected) -> str:
        """The registry's list if it is another than the one refused; otherwise the refusal stands."""
        if isinstance(refusal, MissingFeatures) and not self._recheck_is_due():
            raise refusal
        try:
            current = self.registry.feature_service()
        except RegistryUnavailable:
            raise refusal from None
        if current == service:
            raise refusal
        return current

    def _recheck_is_due(self) -> bool:
        now = time.monotonic()
        if now - self._rechecked < RECHECK_S:
            return False
        self._rechecked = now
        return True
