"""Duplicates of the training in Production: same data, code, packages, Python and parameters."""

from typing import Any

import mlflow
from mlflow.entities import Run

from configuration import names
from steps.cli.errors import UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import loaded_version, training_sets, versions
from steps.registry.examination import validation
from steps.runs import tracking
from steps.training import pipelines

COMPARED_TAGS = (
    names.DATASET_SHA256_TAG, names.FEATURE_SERVICE_TAG, tracking.CODE_TAG, tracking.LOCK_TAG, tracking.PYTHON_TAG,
)  # fmt: skip
RUN_PARAMETERS = frozenset({"run_id", "run_name", "experiment_id", "experiment_name"})  # without effect on the model


def already_promoted(training: Run) -> str | None:
    """The closing line of register when Production has this training's version, or a duplicate's; else None."""
    production = versions.in_production()
    other = versions.training_of(versions.get(production)) if production else None
    if production is None or other is None:
        return None
    run_id, same_run = training.info.run_id, other.info.run_id == training.info.run_id
    if not (same_run or is_duplicate(training, other)) or not _is_usable(production):
        return None
    mlflow.set_tag("model_version", production)
    if same_run:
        verdict = validation.ensure_verdict(versions.get(production))
        return (
            f"[OK] Run {run_id} is version {production} of {MODEL_NAME}, already in Production "
            f"(gate: {verdict.status}); no new version is made."
        )
    mlflow.set_tag("duplicate_of", production)
    return (
        f"[OK] Run {run_id} is a duplicate of version {production} of {MODEL_NAME} in Production: same data, code and "
        f"parameters; no new version is made."
    )


def is_duplicate(training: Run, other: Run) -> bool:
    """False when either run has not recorded what it was made from."""
    tags, other_tags = training.data.tags, other.data.tags
    equal_tags = all(name in tags and tags[name] == other_tags.get(name) for name in COMPARED_TAGS)
    return equal_tags and _parameters(training) == _parameters(other)


def _parameters(training: Run) -> dict[str, Any]:
    """The logged parameters, numbers compared as numbers, without the hyperparameters of other models: `mlflow run`
    records those too when they are given."""
    logged = training.data.params
    own = set(pipelines.HYPERPARAMETERS.get(logged.get("model", ""), ()))
    foreign = {name for own_names in pipelines.HYPERPARAMETERS.values() for name in own_names} - own
    compared = {name: _number(value) for name, value in logged.items() if name not in RUN_PARAMETERS | foreign}
    return {**compared, "split": training_sets.split_rule(training)}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_usable(version: str) -> bool:
    """A damaged version is not kept for its duplicate: the duplicate may replace it."""
    try:
        loaded_version.load(version)
    except UnusableVersion:
        return False
    return True
