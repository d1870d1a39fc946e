"""Answers for users, always with exactly the features that the answering version of the model asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Any

from feature_enricher import what_if
from feature_enricher.deadline import Deadline
from feature_enricher.errors import (
    AnotherVersion,
    EnricherError,
    InvalidRequest,
    MissingFeatures,
    ModelRejected,
    ModelUnavailable,
    StaleFeatures,
    UnknownCategory,
    UnknownUser,
    ValuesRefused,
)
from feature_enricher.features import Features
from feature_enricher.freshness import Freshness, newest, oldest
from feature_enricher.metrics import Metrics
from feature_enricher.model import NotTrainedOn, Prediction, Said
from feature_enricher.targets import Target, Targets
from feature_repo.online_reader import Found, Plan

# Each round goes to another target: the known one, and those that its failures lead to.
MAX_ROUNDS = 3
MOMENTS_KEPT = 1000

Row = Mapping[str, Any]
AsOf = str | dict[str, str] | None


@dataclass(frozen=True)
class Ask:
    user_id: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """A user's complete row, and the event time of its values."""

    features: Row
    as_of: AsOf
    overridden: tuple[str, ...] = ()
    stale_features: tuple[str, ...] = ()
    """Older than their largest age, and answered all the same"""


@dataclass(frozen=True)
class Scored:
    known: Known
    answer: Prediction


class Serving:
    def __init__(
        self,
        features: Features,
        targets: Targets,
        freshness: Freshness | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.features = features
        self.targets = targets
        self.freshness = freshness or Freshness()
        self._metrics = metrics or Metrics()

    def features_of(self, user_id: str, deadline: Deadline) -> Known:
        """Raises MissingFeatures, StaleFeatures and Unavailable."""
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
                    if len(asks) > 1:
                        return self._one_by_one(asks, deadline)
                    if not asks[0].overrides:
                        raise
                    return [_refused(asks[0])]
        raise ModelUnavailable("The model server changes its feature list with every answer")

    def _by(self, target: Target, asks: Sequence[Ask], deadline: Deadline) -> list[Scored | EnricherError]:
        rows = self._rows(target, asks, deadline)
        complete = [row.features for row in rows if isinstance(row, Known)]
        with self._metrics.timed("model"):
            answers = iter(target.model.predict(complete, deadline) if complete else [])
        results: list[Scored | EnricherError] = []
        for ask, row in zip(asks, rows, strict=True):
            results.append(_result(ask, row, _believed(target, next(answers))) if isinstance(row, Known) else row)
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

    def _rows(self, target: Target, asks: Sequence[Ask], deadline: Deadline) -> list[Known | EnricherError]:
        with self._metrics.timed("look-up"):
            plan, found = self.features.lookup(target.feature_service, [ask.user_id for ask in asks], deadline)
        used = oldest(found)
        self.freshness.saw(newest(found))
        self._metrics.values_used(used)
        rows = [self._row(plan, ask, one) for ask, one in zip(asks, found, strict=True)]
        missing = next((row for row in rows if isinstance(row, MissingFeatures)), None)
        if missing:
            self.targets.doubt(target, missing)
        return rows

    def _row(self, plan: Plan, ask: Ask, found: Found) -> Known | EnricherError:
        try:
            given = what_if.checked(plan, ask.overrides) if ask.overrides else {}
        except InvalidRequest as error:
            return error
        row = {**dict(zip(plan.names, found.values, strict=True)), **given}
        if None in row.values():
            missing = [name for name, value in row.items() if value is None]
            nothing_stored = all(value is None for value in found.values)
            return (UnknownUser if nothing_stored else MissingFeatures)(ask.user_id, missing)
        stored = {name: view for name, view in zip(plan.names, plan.views, strict=True) if name not in given}
        event_times = {view: found.event_times[view] for view in dict.fromkeys(stored.values())}
        too_old = self.freshness.stale(plan, event_times)
        stale = tuple(name for name, view in stored.items() if view in too_old)
        if stale and self.freshness.refuses:
            return StaleFeatures(ask.user_id, stale)
        return Known(row, _as_of(event_times), tuple(given), stale)


def _refused(ask: Ask) -> ValuesRefused:
    """What is stored was checked with its month's files; of what the request gave, the types alone."""
    fields = [f"features.{name}" for name in ask.overrides]
    return ValuesRefused(f"The live version does not take these values together: {', '.join(fields)}", fields)


def _result(ask: Ask, known: Known, said: Said) -> Scored | EnricherError:
    if isinstance(said, Prediction):
        return Scored(known, said)
    stored = {name: value for name, value in said.categories.items() if name not in ask.overrides}
    return UnknownCategory(ask.user_id, stored) if stored else _not_trained_on(said)


def _not_trained_on(said: NotTrainedOn) -> ValuesRefused:
    """Of values that the request gave."""
    told = ", ".join(f"features.{name} = {value!r}" for name, value in said.categories.items())
    fields = [f"features.{name}" for name in said.categories]
    return ValuesRefused(f"The live version was not trained on {told}", fields)


def _believed(target: Target, answer: Said) -> Said:
    if not target.believes(answer):
        raise AnotherVersion("The model server is another version than the one that is live", answer.feature_service)
    return answer


def _as_of(event_times: Mapping[str, datetime]) -> AsOf:
    """One day where all views agree, else view -> day; None where every value was given with the request."""
    if len(moments := set(event_times.values())) == 1:
        return _iso(*moments)
    return {view: _iso(moment) for view, moment in event_times.items()} or None


@lru_cache(MOMENTS_KEPT)
def _iso(moment: datetime) -> str:
    in_utc = moment.astimezone(UTC)
    return in_utc.date().isoformat() if in_utc.timetz() == time(tzinfo=UTC) else in_utc.isoformat()
