"""Predictions for users, always from exactly the features that the answering model version uses.

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
from feature_enricher.prediction.explained import answers_of, explained
from feature_enricher.prediction.features import Features
from feature_enricher.prediction.freshness import Freshness, newest, oldest
from feature_enricher.upstream.model_server import ModelAnswer, NotTrainedOn, Prediction
from feature_enricher.upstream.targets import ModelTarget, Targets
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow, Plan

# Each round uses another target: the current one first, then an alternative after each failure.
MAX_ROUNDS = 3

Overrides = Mapping[str, Any]
Result = Prediction | EnricherError


@dataclass(frozen=True)
class Item:
    """One user of a request, the feature values that came with it, and the number of features in its reasons."""

    user_id: str
    overrides: Overrides = field(default_factory=dict)
    explain: int = 0


class Predictor:
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

    def lookup_user(self, user_id: str, deadline: Deadline) -> FeatureRow:
        """Raises MissingFeatures, StaleFeatures and Unavailable."""
        target = self.targets.current(deadline)
        [row] = self._rows(target, [Item(user_id)], deadline)
        if isinstance(row, EnricherError):
            raise row
        return row

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """One per item, in order: its prediction or its error. Raises Unavailable if it concerns all of them."""
        target = self.targets.current(deadline)
        for _ in range(MAX_ROUNDS):
            try:
                return self._predict_with(target, items, deadline)
            except ModelUnavailable as refusal:
                try:
                    target = self.targets.alternative(target, refusal, deadline)
                except ModelRejected:
                    if len(items) > 1:
                        return self._predict_in_parts(items, deadline)
                    if not items[0].overrides:
                        raise
                    return [_refused(items[0])]
        raise ModelUnavailable("The model server changes its feature list with every answer")

    def _predict_with(self, target: ModelTarget, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        rows = self._rows(target, items, deadline)
        complete = [row for row in rows if isinstance(row, FeatureRow)]
        pairs = zip(items, rows, strict=True)
        most = max((item.explain for item, row in pairs if isinstance(row, FeatureRow)), default=0)
        with self._metrics.timed("model"):
            answers = iter(answers_of(target.model, complete, most, deadline))
        results: list[Result] = []
        for item, row in zip(items, rows, strict=True):
            results.append(_result(item, _verified(target, next(answers))) if isinstance(row, FeatureRow) else row)
        return results

    def _predict_in_parts(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """For items that were refused together: splits them by overrides, then in halves, to isolate the refused ones.

        The users of one request share its overrides. If these are refused for one user, they are for all: a long list
        must not cost a call per user.
        """
        parts = _by_overrides(items)
        if len(parts) == 1:
            if items[0].overrides and isinstance(first := self.predict(items[:1], deadline)[0], ValuesRefused):
                return [first] * len(items)
            middle = len(items) // 2
            parts = [range(middle), range(middle, len(items))]
        results: dict[int, Result] = {}
        for indexes in parts:
            part = self._results_or_error([items[index] for index in indexes], deadline)
            results |= zip(indexes, part, strict=True)
        return [results[index] for index in range(len(items))]

    def _results_or_error(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        try:
            return self.predict(items, deadline)
        except EnricherError as error:
            return [error] * len(items)

    def _rows(self, target: ModelTarget, items: Sequence[Item], deadline: Deadline) -> list[FeatureRow | EnricherError]:
        with self._metrics.timed("lookup"):
            plan, stored = self.features.lookup(target.feature_service, [item.user_id for item in items], deadline)
        self.freshness.observe(newest(stored))
        self._metrics.observe_event_times(oldest(stored))
        checked = values.checked_once(plan, [item.overrides for item in items])
        triples = zip(items, stored, checked, strict=True)
        rows = [self._row(plan, item, row, overrides) for item, row, overrides in triples]
        missing = next((row for row in rows if isinstance(row, MissingFeatures)), None)
        if missing:
            self.targets.recheck(target, missing)
        return rows

    def _row(
        self, plan: Plan, item: Item, stored: FeatureRow, overrides: Overrides | InvalidRequest
    ) -> FeatureRow | EnricherError:
        if isinstance(overrides, InvalidRequest):
            return overrides
        if item.explain > len(plan.names):
            return values.explain_refusal(plan, item.explain)
        row = _overridden(plan, stored, overrides) if overrides else stored
        if None in row.features.values():
            missing = [name for name, value in row.features.items() if value is None]
            nothing_stored = all(value is None for value in stored.features.values())
            return (UnknownUser if nothing_stored else MissingFeatures)(item.user_id, missing)
        too_old = self.freshness.stale(plan, row.event_times)
        if not too_old:
            return row
        views = zip(plan.names, plan.views, strict=True)
        stale = tuple(name for name, view in views if view in too_old and name not in overrides)
        return StaleFeatures(item.user_id, stale) if self.freshness.refuses else replace(row, stale_features=stale)


def _by_overrides(items: Sequence[Item]) -> list[Sequence[int]]:
    """The indexes of the items, grouped by request; items without overrides are one group."""
    groups: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(id(item.overrides) if item.overrides else 0, []).append(index)
    return list(groups.values())


def _overridden(plan: Plan, stored: FeatureRow, overrides: Overrides) -> FeatureRow:
    views = {view for name, view in zip(plan.names, plan.views, strict=True) if name not in overrides}
    times = {view: moment for view, moment in stored.event_times.items() if view in views}
    return FeatureRow({**stored.features, **overrides}, times, tuple(overrides))


def _refused(item: Item) -> ValuesRefused:
    """Blames the overrides: stored values were checked with their month's files, overrides only for their types."""
    fields = [f"features.{name}" for name in item.overrides]
    return ValuesRefused(f"The live version does not accept these values together: {', '.join(fields)}", fields)


def _result(item: Item, answer: ModelAnswer) -> Result:
    if isinstance(answer, Prediction):
        return explained(answer, item.explain)
    stored = {name: value for name, value in answer.categories.items() if name not in item.overrides}
    return UnknownCategory(item.user_id, stored) if stored else _not_trained_on(answer)


def _not_trained_on(answer: NotTrainedOn) -> ValuesRefused:
    """For values that came with the request."""
    listed = ", ".join(f"features.{name} = {value!r}" for name, value in answer.categories.items())
    fields = [f"features.{name}" for name in answer.categories]
    return ValuesRefused(f"The live version was not trained on {listed}", fields)


def _verified(target: ModelTarget, answer: ModelAnswer) -> ModelAnswer:
    if not target.matches(answer):
        raise AnotherVersion("The answering version is not the live one", answer.feature_service)
    return answer
