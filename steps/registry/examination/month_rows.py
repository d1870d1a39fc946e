"""One month's rows for a comparison: labelled users, and the answers of both versions to their own features."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from steps import warehouse
from steps.cli.errors import BadParameter, IncomparableVersions
from steps.cli.settings import LABEL
from steps.features import historical
from steps.registry.loaded_version import LoadedVersion
from steps.registry.training_sets import TrainingSet
from steps.training import dataset
from steps.training.split import split

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class Side:
    """One of the two versions, and the dataset that it was trained on."""

    loaded: LoadedVersion
    training_set: TrainingSet

    @property
    def as_of(self) -> date:
        return date.fromisoformat(self.training_set.facts["as_of"])


@dataclass(frozen=True)
class MonthRows:
    """One month's validation users: labelled rows, with the features named in types."""

    as_of: date
    rows: pd.DataFrame
    types: Mapping[str, str]
    fingerprint: str | None  # of the month when the rows were read; None: they have just been read


def months_after_older(store: "FeatureStore", candidate: Side, production: Side) -> Iterator[MonthRows]:
    """The validation users of the newer training's month; before it, if both are split by user, those of the months
    after the older training. The newest month first."""
    newer, older = (candidate, production) if candidate.as_of >= production.as_of else (production, candidate)
    facts = newer.training_set.facts
    yield MonthRows(newer.as_of, newer.training_set.parts.validation, facts["types"], facts["month_fingerprint"])
    if (candidate.training_set.split_rule, production.training_set.split_rule) != ("user", "user"):
        return
    for as_of in reversed(warehouse.loaded_months()):
        if older.as_of < as_of < newer.as_of:
            yield from _month_between(store, as_of, candidate.loaded)


def _month_between(store: "FeatureStore", as_of: date, loaded: LoadedVersion) -> Iterator[MonthRows]:
    """Nothing for a month without labels of both classes."""
    types = types_of(store, loaded)
    labels = warehouse.labels_of(as_of).to_pandas()
    if labels.empty:
        return
    features = historical.features(store, as_of, loaded.feature_service)
    rows = dataset.assemble(features, labels, types)
    if rows[LABEL].nunique() > 1:
        yield MonthRows(as_of, split(rows, "user").validation, types, None)


def answered(store: "FeatureStore", month: MonthRows, sides: tuple[Side, Side], left_out: Counter[str]) -> pd.DataFrame:
    """user_id, label and both probabilities of the rows that both can answer and neither was trained on."""
    rows, by_name = month.rows, dict(zip(("candidate", "production"), sides, strict=True))
    for name, side in by_name.items():
        trained = rows["user_id"].isin(side.training_set.trained_users.to_pylist())
        left_out[f"trained_on_by_{name}"] += int(trained.sum())
        rows = rows[~trained]
    features: dict[str, pd.DataFrame] = {}
    for name, side in by_name.items():
        own = _features(store, side.loaded, month, rows)
        left_out[f"features_missing_for_{name}"] += len(rows) - len(own)
        unknown = side.loaded.unknown_categories(own)
        left_out[f"category_unknown_to_{name}"] += int(unknown.sum())
        rows = rows[rows.index.isin(own.index[~unknown])]
        features[name] = own
    if rows.empty:
        return rows[["user_id", LABEL]]
    answers = {name: side.loaded.answers(features[name].loc[rows.index]) for name, side in by_name.items()}
    return rows[["user_id", LABEL]].assign(**{name: answer["probability"] for name, answer in answers.items()})


def types_of(store: "FeatureStore", loaded: LoadedVersion) -> Mapping[str, str]:
    """Feast's type names by feature of the version's FeatureService. Raises IncomparableVersions if it is gone."""
    try:
        return historical.types_of(store, loaded.feature_service)
    except BadParameter as error:
        raise IncomparableVersions(f"version {loaded.number}: {error}") from error


def _features(store: "FeatureStore", loaded: LoadedVersion, month: MonthRows, rows: pd.DataFrame) -> pd.DataFrame:
    """The version's own features of the rows that have all of them, with the rows' index.

    Raises IncomparableVersions.
    """
    types = types_of(store, loaded)
    if types.items() <= month.types.items():
        return rows[list(types)]
    if month.fingerprint is not None and warehouse.month_fingerprint(month.as_of) != month.fingerprint:
        raise IncomparableVersions(f"{month.as_of} has changed since its training set was built. Train again")
    features = historical.features(store, month.as_of, loaded.feature_service)
    own = dataset.assemble(features, rows[["user_id", LABEL]], types)
    index_of = pd.Series(rows.index, index=rows["user_id"])
    return own.set_axis(index_of.loc[own["user_id"]].to_numpy())[list(types)]
