"""Answers for users, always with exactly the features that the answering version of the model asks for.

A user has three forms: the Item of a request, the FeatureRow of the store, and the Prediction, or an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import (
    InvalidRequest,
    MissingFeatures,
    StaleFeatures,
    UnknownCategory,
    UnknownUser,
    ValuesRefused,
)
from feature_enricher.errors.upstream import AnotherVersion, ModelRejected, ModelUnavailable
from feature_enricher.metrics import Metrics
from feature_enricher.prediction import values
from feature_enricher.prediction.features import Features
from feature_enricher.prediction.freshness import Freshness, newest, oldest
from feature_enricher.upstream.model_server import ModelAnswer, NotTrainedOn, Prediction
from feature_enricher.upstream.targets import Target, Targets
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow, Plan

# Each round goes to another target: the known one, and those that its failures lead to.
MAX_ROUNDS = 3

Overrides = Mapping[str, Any]
Result = Prediction | EnricherError


@dataclass(frozen=True)
class Item:
    """One user of a request, and the feature values that the request gives."""

    user_id: str
    overrides: Overrides = field(default_factory=dict)


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

    def features_of(self, user_id: str, deadline: Deadline) -> FeatureRow:
        """Raises MissingFeatures, StaleFeatures and Unavailable."""
        target = self.targets.current(deadline)
        [row] = self._rows(target, [Item(user_id)], deadline)
        if isinstance(row, EnricherError):
            raise row
        return row

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """One per item, in order: its result, or what is wrong with this one. Raises Unavailable for all of them."""
        target = self.targets.current(deadline)
        for _ in range(MAX_ROUNDS):
            try:
                return self._by(target, items, deadline)
            except ModelUnavailable as refusal:
                try:
                    target = self.targets.another(target, refusal, deadline)
                except ModelRejected:
                    if len(items) > 1:
                        return self._apart(items, deadline)
                    if not items[0].overrides:
                        raise
                    return [_refused(items[0])]
        raise ModelUnavailable("The model server changes its feature list with every answer")

    def _by(self, target: Target, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        rows = self._rows(target, items, deadline)
        complete = [row for row in rows if isinstance(row, FeatureRow)]
        with self._metrics.timed("model"):
            answers = iter(target.model.predict(complete, deadline) if complete else [])
        results: list[Result] = []
        for item, row in zip(items, rows, strict=True):
            results.append(_result(item, _verified(target, next(answers))) if isinstance(row, FeatureRow) else row)
        return results

    def _apart(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """Refused together: first by the values that requests give, then by halves, so that none fails its neighbours.

        The users of one request share its values, and where they are refused one user tells it for all: a list of many
        must not cost a call for each.
        """
        parts = _by_overrides(items)
        if len(parts) == 1:
            if items[0].overrides and isinstance(first := self.predict(items[:1], deadline)[0], ValuesRefused):
                return [first] * len(items)
            middle = len(items) // 2
            parts = [range(middle), range(middle, len(items))]
        results: dict[int, Result] = {}
        for places in parts:
            part = self._results_or_error([items[place] for place in places], deadline)
            results |= zip(places, part, strict=True)
        return [results[place] for place in range(len(items))]

    def _results_or_error(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        try:
            return self.predict(items, deadline)
        except EnricherError as error:
            return [error] * len(items)

    def _rows(self, target: Target, items: Sequence[Item], deadline: Deadline) -> list[FeatureRow | EnricherError]:
        with self._metrics.timed("lookup"):
            plan, stored = self.features.lookup(target.feature_service, [item.user_id for item in items], deadline)
        self.freshness.saw(newest(stored))
        self._metrics.values_used(oldest(stored))
        given = _values_given(plan, items)
        rows = [self._row(plan, *three) for three in zip(items, stored, given, strict=True)]
        missing = next((row for row in rows if isinstance(row, MissingFeatures)), None)
        if missing:
            self.targets.recheck(target, missing)
        return rows

    def _row(
        self, plan: Plan, item: Item, stored: FeatureRow, given: Overrides | InvalidRequest
    ) -> FeatureRow | EnricherError:
        if isinstance(given, InvalidRequest):
            return given
        row = _overridden(plan, stored, given) if given else stored
        if None in row.features.values():
            missing = [name for name, value in row.features.items() if value is None]
            nothing_stored = all(value is None for value in stored.features.values())
            return (UnknownUser if nothing_stored else MissingFeatures)(item.user_id, missing)
        too_old = self.freshness.stale(plan, row.event_times)
        if not too_old:
            return row
        views = zip(plan.names, plan.views, strict=True)
        stale = tuple(name for name, view in views if view in too_old and name not in given)
        return StaleFeatures(item.user_id, stale) if self.freshness.refuses else replace(row, stale_features=stale)


def _values_given(plan: Plan, items: Sequence[Item]) -> list[Overrides | InvalidRequest]:
    """Each item's overrides as the model's types want them. The users of one request share theirs: checked once."""
    checked: dict[int, Overrides | InvalidRequest] = {}
    for overrides in {id(item.overrides): item.overrides for item in items}.values():
        try:
            checked[id(overrides)] = values.checked(plan, overrides) if overrides else {}
        except InvalidRequest as error:
            checked[id(overrides)] = error
    return [checked[id(item.overrides)] for item in items]


def _by_overrides(items: Sequence[Item]) -> list[Sequence[int]]:
    """The places of the items without overrides, and of those of each request that has some."""
    places: dict[int, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(id(item.overrides) if item.overrides else 0, []).append(place)
    return list(places.values())


def _overridden(plan: Plan, stored: FeatureRow, given: Overrides) -> FeatureRow:
    views = {view for name, view in zip(plan.names, plan.views, strict=True) if name not in given}
    times = {view: moment for view, moment in stored.event_times.items() if view in views}
    return FeatureRow({**stored.features, **given}, times, tuple(given))


def _refused(item: Item) -> ValuesRefused:
    """What is stored was checked with its month's files; of what the request gave, the types alone."""
    fields = [f"features.{name}" for name in item.overrides]
    return ValuesRefused(f"The live version does not take these values together: {', '.join(fields)}", fields)


def _result(item: Item, answer: ModelAnswer) -> Result:
    if isinstance(answer, Prediction):
        return answer
    stored = {name: value for name, value in answer.categories.items() if name not in item.overrides}
    return UnknownCategory(item.user_id, stored) if stored else _not_trained_on(answer)


def _not_trained_on(answer: NotTrainedOn) -> ValuesRefused:
    """Of values that the request gave."""
    listed = ", ".join(f"features.{name} = {value!r}" for name, value in answer.categories.items())
    fields = [f"features.{name}" for name in answer.categories]
    return ValuesRefused(f"The live version was not trained on {listed}", fields)


def _verified(target: Target, answer: ModelAnswer) -> ModelAnswer:
    if not target.matches(answer):
        raise AnotherVersion("The model server is another version than the one that is live", answer.feature_service)
    return answer
