"""What the gate judges by. In: a version and the dataset it was trained on. Out: its defects, its AUC, and how it and
the version in Production do on the same rows, which neither was trained on.

A defect is something that no comparison can make good and no -P force=true overrides: the version would answer other
than it was trained to, or nobody could say what it was trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.entities import Run
from sklearn.pipeline import Pipeline

from configuration import names
from steps.cli.errors import BadParameter, IncomparableVersions, UnusableVersion
from steps.cli.settings import LABEL
from steps.features import historical
from steps.registry import comparison, gate, interval, training_sets
from steps.registry.comparison import Side
from steps.registry.versions import Opened
from steps.training import signature

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class Validation:
    """The rows that a training held out, and the facts of their dataset."""

    rows: pd.DataFrame
    facts: Mapping[str, Any]

    @property
    def features(self) -> pd.DataFrame:
        return self.rows[list(self.facts["types"])]


def examine(store: "FeatureStore", opened: Opened, training: Run, serving: str | None, min_users: int) -> gate.Evidence:
    """serving: the version to compare with; None when nothing is in Production.

    Raises DatasetMismatch when the training's dataset is not the one it names, DatabaseUnavailable,
    TrackingUnavailable.
    """
    made_from = training_sets.training_set(training)
    validation = Validation(made_from.parts.validation, made_from.facts)
    try:
        defects = _defects(store, validation, opened)
        if defects:
            return gate.Evidence(defects, None, None, None)
        own_auc = _own_auc(validation, opened)
    except UnusableVersion as error:
        return gate.Evidence([str(error)], None, None, None)
    candidate = Side(opened, made_from, training_sets.split_rule(training))
    return _compared(store, candidate, own_auc, serving, min_users)


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
    for said in (candidate.tags.get(names.FEATURE_SERVICE_TAG, service), service):
        if said != trained_with:
            return f"the version says FeatureService {said!r}, its dataset {trained_with!r}"
    try:
        types = historical.types_of(store, service)
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


def _compared(
    store: "FeatureStore", candidate: Side, own_auc: float, serving: str | None, min_users: int
) -> gate.Evidence:
    if serving is None:
        return gate.Evidence([], own_auc, None, None)
    if serving == candidate.opened.number:
        return gate.Evidence([], own_auc, None, None, alone="it is itself in Production")
    older = None
    try:
        production = comparison.side_of(serving)
        if candidate.as_of < production.as_of:
            older = (
                f"it was trained on {candidate.as_of}, older than {production.as_of} of version {serving} in Production"
            )
        rival = comparison.compare(store, candidate, production, min_users)
    except (UnusableVersion, IncomparableVersions) as error:
        return gate.Evidence([], own_auc, None, f"no comparison with Production: {error}", older)
    return gate.Evidence([], own_auc, rival, None, older)


def _own_auc(validation: Validation, candidate: Opened) -> float:
    """On all of its own validation rows: it was trained on none of them."""
    truth = np.asarray(validation.rows[LABEL], dtype=np.bool_)
    return interval.auc(truth, candidate.answers(validation.features)["probability"].to_numpy(np.float64))
