"""The facts that the gate judges. In: a loaded version and its training set. Out: its blocking issues, its AUC, and its
comparison with the version in Production on rows that neither was trained on.

No comparison makes up for a blocking issue, and -P force=true does not override it: the version would not answer as
it was trained to, or its training data are unknown.
"""

from typing import TYPE_CHECKING

import numpy as np

from configuration import names
from steps.cli.errors import BadParameter, UnusableVersion
from steps.cli.settings import LABEL
from steps.features import historical
from steps.registry import explained
from steps.registry.examination import comparison, gate, interval
from steps.registry.examination.month_rows import Side
from steps.registry.examination.rules import Rules
from steps.registry.loaded_version import LoadedVersion
from steps.registry.training_sets import TrainingSet
from steps.training.model import signature

if TYPE_CHECKING:
    from feast import FeatureStore


def collect(
    store: "FeatureStore", candidate: LoadedVersion, training_set: TrainingSet, production: str | None, rules: Rules
) -> gate.Evidence:
    """training_set: the candidate's. production: the version to compare with; None when nothing is in Production.

    Raises DatabaseUnavailable, TrackingUnavailable.
    """
    mismatch = _service_mismatch(store, training_set, candidate)
    if mismatch:
        return gate.Evidence([mismatch], None, None, None)
    features = training_set.validation_features
    try:
        issues = candidate.answer_issues(features) or explained.issues(candidate, features)
        if issues:
            return gate.Evidence(issues, None, None, None)
        probability = candidate.answers(features)["probability"].to_numpy(np.float64)
    except UnusableVersion as error:
        return gate.Evidence([str(error)], None, None, None)
    auc = interval.auc(training_set.parts.validation[LABEL].to_numpy(np.bool_), probability)
    return comparison.with_production(store, Side(candidate, training_set), auc, production, rules)


def _service_mismatch(store: "FeatureStore", training_set: TrainingSet, candidate: LoadedVersion) -> str | None:
    """The difference between the version's FeatureService and its dataset's, or between its inputs and the service."""
    if candidate.inputs is None:
        return "the model has no signature"
    service, trained_with = candidate.feature_service, training_set.facts["feature_service"]
    for name in (candidate.tags.get(names.FEATURE_SERVICE_TAG, service), service):
        if name != trained_with:
            return f"the version names FeatureService {name!r}, its dataset {trained_with!r}"
    try:
        types = historical.types_of(store, service)
    except BadParameter as error:
        return str(error)
    difference = signature.difference(candidate.inputs, types)
    return f"the model's inputs are not the features of {service}: {difference}" if difference else None
