"""What the gate judges by. In: a version and the dataset it was trained on. Out: its defects, its AUC, and how the
version in Production does on the same validation rows.

A defect is something that no comparison can make good and no -P force=true overrides: the version would answer other
than it was trained to, or nobody could say what it was trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.entities import Run
from sklearn.pipeline import Pipeline

from steps import dataset, gate, point_in_time, signature, training_sets, versions, warehouse
from steps.errors import BadParameter, IncomparableVersions, UnusableVersion
from steps.settings import LABEL
from steps.versions import Opened

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class Validation:
    """The rows that both versions are scored on, and the facts of their dataset."""

    rows: pd.DataFrame
    facts: Mapping[str, Any]

    @property
    def features(self) -> pd.DataFrame:
        return self.rows[list(self.facts["types"])]


def examine(store: "FeatureStore", validation: Validation, candidate: Opened, serving: str | None) -> gate.Evidence:
    """serving: the version to compare with; None when nothing is in Production. Raises DatabaseUnavailable."""
    try:
        defects = _defects(store, validation, candidate)
    except UnusableVersion as error:
        defects = [str(error)]
    return gate.Evidence(defects, None, None, None) if defects else _compared(store, validation, candidate, serving)


def validation_of(training: Run) -> Validation:
    """The rows that the training held out. Raises DatasetMismatch when its dataset is not the one it names."""
    made_from = training_sets.training_set(training)
    return Validation(made_from.parts.validation, made_from.facts)


def _defects(store: "FeatureStore", validation: Validation, candidate: Opened) -> list[str]:
    """Raises UnusableVersion when the model cannot answer at all."""
    if candidate.inputs is None:
        return ["the model has no signature"]
    differs = _differs_from_service(store, validation, candidate)
    if differs:
        return [differs]
    if candidate.example is None:
        return ["the model has no input example, which a model server is tried with"]
    if candidate.pipeline is None:
        return ["the model holds no pipeline.skops to compare its answers with"]
    found = _parity(candidate, candidate.pipeline, validation.features)
    candidate.answers(candidate.example)
    return found


def _differs_from_service(store: "FeatureStore", validation: Validation, candidate: Opened) -> str | None:
    service, trained_with = candidate.feature_service, validation.facts["feature_service"]
    if service != trained_with:
        return f"the version says FeatureService {service!r}, its dataset {trained_with!r}"
    try:
        types = point_in_time.types_of(store, service)
    except BadParameter as error:
        return str(error)
    differs = signature.difference(candidate.inputs, types)
    return f"the model's inputs are not the features of {service}: {differs}" if differs else None


def _parity(candidate: Opened, pipeline: Pipeline, features: pd.DataFrame) -> list[str]:
    """The served answers against the pipeline itself, on every row and to the last bit; and the version they name."""
    answers = candidate.answers(features)
    served, expected = answers["probability"].to_numpy(), pipeline.predict_proba(features)[:, 1]
    same = (served == expected) & (answers["prediction"].to_numpy() == (expected > candidate.threshold))
    found = []
    if not same.all():
        place = int(np.flatnonzero(~same)[0])
        found.append(
            f"the served prediction differs from the pipeline's on {(~same).sum()} of {len(same)} validation rows; "
            f"the first is {served[place]} where the pipeline says {expected[place]}"
        )
    named = sorted(set(map(str, answers["model_version"])))
    if named != [candidate.number]:
        found.append(f"its answers name version {', '.join(named)}")
    return found


def _compared(store: "FeatureStore", validation: Validation, candidate: Opened, serving: str | None) -> gate.Evidence:
    own = candidate.answers(validation.features)["probability"]
    truth = validation.rows[LABEL]
    auc = gate.auc(_truth(truth), _numbers(own))
    if serving is None:
        return gate.Evidence([], auc, None, None)
    try:
        theirs = _scores_of(store, serving, validation)
    except (UnusableVersion, IncomparableVersions) as error:
        return gate.Evidence([], auc, None, f"no comparison with Production: {error}")
    both = theirs.index
    rival = gate.compare(serving, _truth(truth.loc[both]), _numbers(own.loc[both]), _numbers(theirs))
    return gate.Evidence([], auc, rival, None)


def _truth(labels: "pd.Series[bool]") -> gate.Truth:
    return np.asarray(labels, dtype=np.bool_)


def _numbers(probability: "pd.Series[float]") -> gate.Probabilities:
    return np.asarray(probability, dtype=np.float64)


def _scores_of(store: "FeatureStore", number: str, validation: Validation) -> "pd.Series[float]":
    """The version's probabilities for those rows of which it has all its own features, as their month knew them.

    Raises UnusableVersion, IncomparableVersions.
    """
    opened, rows = versions.open_version(number), validation.rows
    try:
        types = point_in_time.types_of(store, opened.feature_service)
    except BadParameter as error:
        raise IncomparableVersions(f"version {number}: {error}") from error
    known = types.items() <= validation.facts["types"].items()
    own = rows[list(types)] if known else _fetched(store, validation, opened.feature_service)
    if rows.loc[own.index, LABEL].nunique() < len((True, False)):
        raise IncomparableVersions(f"version {number} has its features for {len(own)} of {len(rows)} validation rows")
    return opened.answers(own)["probability"]


def _fetched(store: "FeatureStore", validation: Validation, service: str) -> pd.DataFrame:
    """Another service's features of the same users, indexed as the rows. Raises IncomparableVersions."""
    facts, rows = validation.facts, validation.rows
    as_of = date.fromisoformat(facts["as_of"])
    if warehouse.month_fingerprint(as_of) != facts["month_fingerprint"]:
        raise IncomparableVersions(f"{as_of} has changed since the candidate's dataset was built. Train again")
    types = point_in_time.types_of(store, service)
    found = point_in_time.features(store, as_of, service)
    own = dataset.assemble(found, rows[["user_id", LABEL]], types)
    places = pd.Series(rows.index, index=rows["user_id"])
    return own.set_axis(places.loc[own["user_id"]].to_numpy())[list(types)]
