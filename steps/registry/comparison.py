"""A candidate and the version in Production on the rows of users that neither was trained on.

With trainings split by user, a user validates in every month or in none. The validation users' rows of the months
after the older of the two trainings, up to the newer one's month, are then one sample: newest first, as long as there
are fewer than POOL_USERS users. A training that was split at random says nothing of other months: then it is the newer
one's own validation part alone. Every version gets its own features of each month, as they were known there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steps import warehouse
from steps.cli.errors import BadParameter, DatasetMismatch, IncomparableVersions
from steps.cli.settings import LABEL
from steps.features import historical
from steps.registry import gate, interval, training_sets, versions
from steps.registry.categories import unknown_categories
from steps.registry.training_sets import TrainingSet
from steps.registry.versions import Opened
from steps.training import dataset
from steps.training.split import split

if TYPE_CHECKING:
    from feast import FeatureStore

POOL_USERS = 7_000  # a month with so many validation users needs no other: the gain's interval is about 0.01 wide


@dataclass(frozen=True)
class Side:
    """One of the two versions, what it was trained on, and by which rule that was split."""

    opened: Opened
    made_from: TrainingSet
    split: str

    @property
    def as_of(self) -> date:
        return date.fromisoformat(self.made_from.facts["as_of"])


@dataclass(frozen=True)
class MonthRows:
    """Labelled rows of validation users of one month, some of whose features are known by name and type."""

    as_of: date
    rows: pd.DataFrame
    types: Mapping[str, str]
    fingerprint: str | None  # the month has to be as it was when the rows were read; None: they are read just now


def side_of(number: str) -> Side:
    """Raises UnusableVersion; IncomparableVersions when it is unknown whom the version was trained on."""
    opened = versions.open_version(number)
    training = versions.training_of(versions.get(number))
    if training is None:
        raise IncomparableVersions(f"it is unknown whom version {number} was trained on: its training run is gone")
    try:
        made_from = training_sets.training_set(training)
    except DatasetMismatch as error:
        raise IncomparableVersions(f"it is unknown whom version {number} was trained on: {error}") from error
    return Side(opened, made_from, training_sets.split_rule(training))


def compare(store: "FeatureStore", candidate: Side, production: Side, min_users: int) -> gate.Rival:
    """Raises IncomparableVersions when there are too few users, UnusableVersion when a version cannot answer."""
    left_out: Counter[str] = Counter()
    months: list[pd.DataFrame] = []
    names: list[str] = []
    for month in _months(candidate, production, store):
        answered = _answered(store, month, (candidate, production), left_out)
        if answered[LABEL].nunique() == len((True, False)):
            months.append(answered)
            names.append(str(month.as_of))
        if months and pd.concat(months)["user_id"].nunique() >= POOL_USERS:
            break
    rows = _rows(months)
    few = f"no month has any of both classes ({gate.said(left_out)})" if rows is None else gate.too_few(rows, min_users)
    if rows is None or few:
        raise IncomparableVersions(f"too few users are unseen by both versions: {few}")
    return gate.compare(production.opened.number, rows, names, left_out)


def _months(candidate: Side, production: Side, store: "FeatureStore") -> Iterator[MonthRows]:
    """The newest first."""
    newer, older = (candidate, production) if candidate.as_of >= production.as_of else (production, candidate)
    facts = newer.made_from.facts
    yield MonthRows(newer.as_of, newer.made_from.parts.validation, facts["types"], facts["month_fingerprint"])
    if (candidate.split, production.split) != ("user", "user"):
        return
    for as_of in reversed(warehouse.loaded_months()):
        if older.as_of < as_of < newer.as_of:
            yield from _month_between(store, as_of, candidate.opened)


def _month_between(store: "FeatureStore", as_of: date, opened: Opened) -> Iterator[MonthRows]:
    """Nothing for a month of which no label, or no user of both classes, is known."""
    types = _types(store, opened)
    labels = warehouse.labels_of(as_of)
    if labels.empty:
        return
    rows = dataset.assemble(historical.features(store, as_of, opened.feature_service), labels, types)
    if rows[LABEL].nunique() == len((True, False)):
        yield MonthRows(as_of, split(rows, "user").validation, types, None)


def _answered(
    store: "FeatureStore", month: MonthRows, sides: tuple[Side, Side], left_out: Counter[str]
) -> pd.DataFrame:
    """user_id, label and both probabilities of the rows that both can answer and neither was trained on."""
    rows, named = month.rows, dict(zip(("candidate", "production"), sides, strict=True))
    for name, side in named.items():
        trained = rows["user_id"].isin(side.made_from.trained_users)
        left_out[f"trained_on_by_{name}"] += int(trained.sum())
        rows = rows[~trained]
    features: dict[str, pd.DataFrame] = {}
    for name, side in named.items():
        own = _features(store, side.opened, month, rows)
        left_out[f"features_missing_for_{name}"] += len(rows) - len(own)
        unknown = unknown_categories(side.opened, own)
        left_out[f"category_unknown_to_{name}"] += int(unknown.sum())
        rows = rows[rows.index.isin(own.index[~unknown])]
        features[name] = own
    if rows.empty:
        return rows[["user_id", LABEL]]
    answers = {name: side.opened.answers(features[name].loc[rows.index])["probability"] for name, side in named.items()}
    return rows[["user_id", LABEL]].assign(**answers)


def _types(store: "FeatureStore", opened: Opened) -> Mapping[str, str]:
    try:
        return historical.types_of(store, opened.feature_service)
    except BadParameter as error:
        raise IncomparableVersions(f"version {opened.number}: {error}") from error


def _features(store: "FeatureStore", opened: Opened, month: MonthRows, rows: pd.DataFrame) -> pd.DataFrame:
    """The version's own features of the rows of which it has all, indexed as the rows. Raises IncomparableVersions."""
    types = _types(store, opened)
    if types.items() <= month.types.items():
        return rows[list(types)]
    if month.fingerprint is not None and warehouse.month_fingerprint(month.as_of) != month.fingerprint:
        raise IncomparableVersions(f"{month.as_of} has changed since its training set was built. Train again")
    found = historical.features(store, month.as_of, opened.feature_service)
    own = dataset.assemble(found, rows[["user_id", LABEL]], types)
    places = pd.Series(rows.index, index=rows["user_id"])
    return own.set_axis(places.loc[own["user_id"]].to_numpy())[list(types)]


def _rows(months: list[pd.DataFrame]) -> interval.Rows | None:
    if not months:
        return None
    everything = pd.concat(months, keys=range(len(months)), names=["month", None])
    numbers: dict[str, Any] = {name: everything[name].to_numpy(np.float64) for name in ("candidate", "production")}
    users, _ = pd.factorize(everything["user_id"])
    of_months = everything.index.get_level_values("month").to_numpy(np.intp)
    return interval.Rows(everything[LABEL].to_numpy(np.bool_), **numbers, users=users, months=of_months)
