"""Is a training the twin of another: same data, code, packages, Python and parameters? Pure."""

from typing import Any

from mlflow.entities import Run

from steps.registry import training_sets
from steps.runs import tracking
from steps.training import pipelines

SAME_TAGS = ("dataset_sha256", "feature_service", tracking.CODE_TAG, tracking.LOCK_TAG, tracking.PYTHON_TAG)
IDENTITY = frozenset({"run_id", "run_name", "experiment_id", "experiment_name"})  # who it is, not what it does


def is_twin(one: Run, other: Run) -> bool:
    """False where either does not say what it was made from."""
    tags, others = one.data.tags, other.data.tags
    recorded = all(name in tags and tags[name] == others.get(name) for name in SAME_TAGS)
    return recorded and _parameters(one) == _parameters(other)


def _parameters(training: Run) -> dict[str, Any]:
    """What was logged, however the numbers were spelled, without what its kind of model does not take: `mlflow run`
    records whatever was typed."""
    logged = training.data.params
    taken = set(pipelines.KNOWN.get(logged.get("model", ""), ()))
    others = {name for names in pipelines.KNOWN.values() for name in names} - taken
    kept = {name: _number(value) for name, value in logged.items() if name not in IDENTITY | others}
    return {**kept, "split": training_sets.split_rule(training)}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
