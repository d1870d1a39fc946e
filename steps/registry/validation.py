"""One version at the gate: its evidence is collected and judged, and the verdict is recorded on the version."""

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from steps import warehouse
from steps.cli.errors import DatasetMismatch, UnusableVersion
from steps.features import historical
from steps.registry import gate, loaded_version, training_sets, versions
from steps.registry.evidence import collect
from steps.registry.gate import Evidence, GateResult
from steps.registry.loaded_version import LoadedVersion
from steps.registry.rules import Rules, default_rules

PROMOTING = ("passed", "forced")


def evaluate(version: str, training: Run, rules: Rules) -> GateResult:
    """Judges the version; records the verdict on it (tags) and on the active run (tags, metrics). Changes no stage.

    Comparing and promoting must be one act: the caller holds the promotion lock. Raises DatabaseUnavailable,
    TrackingUnavailable: then the version stays without a verdict (see ensure_verdict).
    """
    production = versions.in_production()
    evidence, example = _evidence(version, training, production, rules.min_users)
    result = gate.evaluate(evidence, rules)
    tags, metrics = result.tags(), result.metrics()
    if production not in (None, version):
        tags = {"gate_production_version": str(production), **tags}
    # before any stage changes: a new model server's first answer is compared with this one
    expected = {} if example is None else {names.EXAMPLE_PROBABILITY_TAG: repr(example)}
    figures = {f"gate_{name}": repr(value) for name, value in metrics.items()}
    versions.tag(version, {**expected, **figures, **tags})  # the verdict last: a killed step leaves none
    mlflow.set_tags(tags)
    mlflow.log_metrics(metrics)
    return result


def may_serve(version: ModelVersion) -> bool:
    """Whether the version once passed the gate, or was forced past it, and has no blocking issue since. Evaluates a
    version without a verdict (see ensure_verdict)."""
    return ensure_verdict(version) in PROMOTING or version.tags.get(gate.LASTING_VERDICT) in PROMOTING


def ensure_verdict(version: ModelVersion, *, allow_older: bool = True) -> str:
    """The version's verdict: passed, forced or refused. A version without one, because its register was killed or it
    was registered in the UI, is evaluated now, by MLproject's default rules.

    allow_older: whether it may come from an older month than Production's; a rollback intends that.
    Needs an active run. Raises DatabaseUnavailable, TrackingUnavailable.
    """
    recorded = version.tags.get("gate")
    if recorded:
        return str(recorded)
    number, training = str(version.version), versions.training_of(version)
    if training is None:
        reason = "its training data are unknown: its training run no longer exists"
        versions.tag(number, {"gate_reason": reason, "gate": "refused"})
        return "refused"
    versions.tag_with_training(number, training)
    return evaluate(number, training, default_rules(allow_older=allow_older)).verdict.status


def _evidence(version: str, training: Run, production: str | None, min_users: int) -> tuple[Evidence, float | None]:
    """The evidence, and the version's answer to its own input example; None when it has no valid answer."""
    try:
        candidate = loaded_version.load(version)
    except UnusableVersion as error:
        return Evidence([str(error)], None, None, None), None
    example = _example_probability(candidate)
    try:
        training_set = training_sets.training_set(training)
    except DatasetMismatch as error:
        return Evidence([str(error)], None, None, None), example
    warehouse.apply_schema()  # the feature registry is in it, and a warehouse may be newer than its models
    with historical.applied_store() as store:
        return collect(store, candidate, training_set, production, min_users), example


def _example_probability(candidate: LoadedVersion) -> float | None:
    if candidate.example is None:
        return None
    try:
        return float(candidate.answers(candidate.example)["probability"].iloc[0])
    except UnusableVersion:
        return None  # the evidence repeats this answer, and its failure is a blocking issue
