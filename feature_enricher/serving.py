"""Answers for users, always with exactly the features that the answering version of the model asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Protocol

from feature_enricher.deadline import Deadline
from feature_enricher.errors import (
    AnotherVersion,
    EnricherError,
    MissingFeatures,
    ModelRejected,
    ModelUnavailable,
    UnknownUser,
)
from feature_enricher.model import Prediction
from feature_enricher.targets import Target, Targets
from feature_repo.online_reader import Found, Plan

# Each round goes to another target: the known one, and those that its failures lead to.
MAX_ROUNDS = 3

Row = Mapping[str, Any]
AsOf = str | dict[str, str] | None


class Features(Protocol):
    def plan(self, service: str, deadline: Deadline) -> Plan: ...
    def lookup(self, service: str, user_ids: Sequence[str], deadline: Deadline) -> list[Found]: ...


@dataclass(frozen=True)
class Ask:
    user_id: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """A user's complete row, and the event time of its values."""

    features: Row
    as_of: AsOf


@dataclass(frozen=True)
class Scored:
    known: Known
    answer: Prediction


class Serving:
    def __init__(self, features: Features, targets: Targets) -> None:
        self.features = features
        self.targets = targets

    def close(self) -> None:
        self.targets.close()

    def features_of(self, user_id: str, deadline: Deadline) -> Known:
        """Raises MissingFeatures and Unavailable."""
        target = self.targets.current(deadline)
        [known] = self._rows(target, [Ask(user_id)], deadline)
        if isinstance(known, EnricherError):
            raise known
        return known

    def predict(self, asks: Sequence[Ask], deadline: Deadline) -> list[Scored | EnricherError]:
        """One per ask, in order: its result, or what is wrong with this one. Raises Unavailable for all of them."""
        target = self.targets.current(deadline)
        for _ in range(MAX_ROUNDS):
            try:
                return self._by(target, asks, deadline)
            except ModelUnavailable as refusal:
                try:
                    target = self.targets.another(target, refusal, deadline)
                except ModelRejected:
                    if len(asks) == 1:
                        raise
                    return self._one_by_one(asks, deadline)
        raise ModelUnavailable("The model server changes its feature list with every answer")

    def _by(self, target: Target, asks: Sequence[Ask], deadline: Deadline) -> list[Scored | EnricherError]:
        rows = self._rows(target, asks, deadline)
        complete = [row for row in rows if isinstance(row, Known)]
        answers = iter(target.model.predict([row.features for row in complete], deadline) if complete else [])
        results: list[Scored | EnricherError] = []
        for row in rows:
            results.append(Scored(row, _believed(target, next(answers))) if isinstance(row, Known) else row)
        return results

    def _one_by_one(self, asks: Sequence[Ask], deadline: Deadline) -> list[Scored | EnricherError]:
        """Halves until the refused rows stand alone: one must not fail its neighbours."""
        results: list[Scored | EnricherError] = []
        middle = len(asks) // 2
        for half in (asks[:middle], asks[middle:]):
            try:
                results += self.predict(half, deadline)
            except EnricherError as error:
                results += [error] * len(half)
        return results

    def _rows(self, target: Target, asks: Sequence[Ask], deadline: Deadline) -> list[Known | MissingFeatures]:
        plan = self.features.plan(target.feature_service, deadline)
        found = self.features.lookup(target.feature_service, [ask.user_id for ask in asks], deadline)
        rows = [_known(plan, ask, one) for ask, one in zip(asks, found, strict=True)]
        missing = next((row for row in rows if isinstance(row, MissingFeatures)), None)
        if missing:
            self.targets.doubt(target, missing)
        return rows


def _believed(target: Target, answer: Prediction) -> Prediction:
    if not target.believes(answer):
        raise AnotherVersion("The model server is another version than the one that is live", answer.feature_service)
    return answer


def _known(plan: Plan, ask: Ask, found: Found) -> Known | MissingFeatures:
    row = {**dict(zip(plan.names, found.values, strict=True)), **ask.overrides}
    missing = [name for name, value in row.items() if value is None]
    if missing:
        return (UnknownUser if len(missing) == len(row) else MissingFeatures)(ask.user_id, missing)
    stored = {view for name, view in zip(plan.names, plan.views, strict=True) if name not in ask.overrides}
    return Known(row, _as_of({view: found.event_times[view] for view in dict.fromkeys(plan.views) if view in stored}))


def _as_of(event_times: Mapping[str, datetime]) -> AsOf:
    """One day where all views agree, else view -> day; None where every value was given with the request."""
    days = {view: _iso(moment) for view, moment in event_times.items()}
    return days if len(set(days.values())) > 1 else next(iter(days.values()), None)


def _iso(moment: datetime) -> str:
    in_utc = moment.astimezone(UTC)
    return in_utc.date().isoformat() if in_utc.timetz() == time(tzinfo=UTC) else in_utc.isoformat()
