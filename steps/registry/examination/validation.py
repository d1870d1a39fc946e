"""One version at the gate: its evidence is collected and judged, and the verdict is recorded on the version."""

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from sealing.statement import SERVABLE, Verdict
from steps import warehouse
from steps.cli.errors import DatasetMismatch, UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.features import historical
from steps.registry import loaded_version, seals, training_sets, versions
from steps.registry.examination import gate, record
from steps.registry.examination.evidence import collect
from steps.registry.examination.gate import Evidence, GateResult
from steps.registry.examination.rules import Rules, default_rules
from steps.registry.loaded_version import LoadedVersion

NO_TRAINING = "its training data are unknown: its training run no longer exists"


def evaluate(version: str, training: Run, rules: Rules, production: str | None) -> GateResult:
    """Judges the version against `production`; seals the verdict, and records it on the version (tags) and on the
    active run (tags, metrics). Changes no stage.

    Comparing and promoting must be one act: the caller holds the promotion lock. Raises DatabaseUnavailable,
    TrackingUnavailable: then the version stays without a verdict (see ensure_verdict).
    """
    evidence, example = _evidence(version, training, production, rules)
    result = gate.evaluate(evidence, rules)
    record.verdict(version, result, production)
    tags, metrics = result.tags(), result.metrics()
    if production not in (None, version):
        tags = {"gate_production_version": str(production), **tags}
    # before any stage changes: the watcher serves what is sealed with a verdict, and compares a new model server's
    # first answer with this one
    _seal(version, result.verdict.status, result.verdict.reason, example, has_issues=bool(evidence.blocking_issues))
    expected = {} if example is None else {names.EXAMPLE_PROBABILITY_TAG: repr(example)}
    figures = {f"gate_{name}": repr(value) for name, value in metrics.items()}
    versions.tag(version, {**expected, **figures, **tags})  # the verdict last: a killed step leaves none
    mlflow.set_tags(tags)
    mlflow.log_metrics(metrics)
    return result


def _seal(version: str, status: str, reason: str, example: float | None, *, has_issues: bool) -> None:
    registered = versions.get(version)
    try:
        before = seals.of_version(registered)
    except UnusableVersion:
        return  # the verdict says why it cannot be loaded; no new seal may hide it
    earlier = before.verdict.lasting if before and before.verdict else status
    lasting = status if status in SERVABLE or has_issues else earlier
    seals.seal_verdict(registered, Verdict(status, reason, lasting), example)


def objection(version: ModelVersion) -> str | None:
    """Why the version may not serve: it never passed the gate nor was forced past it, has a blocking issue since, or
    its files are not the sealed ones. Evaluates a version without a verdict (see ensure_verdict)."""
    number = str(version.version)
    verdict = ensure_verdict(version)
    try:
        sealed = seals.require_stored(version)
    except UnusableVersion as error:
        return str(error)
    if sealed.verdict is not None and sealed.verdict.may_serve:
        return None
    return f"version {number} never passed the gate: {verdict.reason}"


def ensure_verdict(version: ModelVersion, *, allow_older: bool = True) -> Verdict:
    """The version's sealed verdict. A version without one, because its register was killed or it was registered in the
    UI, is evaluated now, by MLproject's default rules, against the version that serves or served before it.

    allow_older: whether it may come from an older month than Production's; a rollback intends that.
    Needs an active run. Raises DatabaseUnavailable, TrackingUnavailable.
    """
    number = str(version.version)
    if (recorded := _sealed_verdict(version)) is not None:
        return recorded
    training = versions.training_of(version)
    if training is None:
        record.without_training(version, NO_TRAINING)
        _seal(number, "refused", NO_TRAINING, None, has_issues=True)
        versions.tag(number, {"gate_reason": NO_TRAINING, "gate": "refused"})
        return Verdict("refused", NO_TRAINING, "refused")
    versions.tag_with_training(number, training)
    rules = default_rules(allow_older=allow_older)
    verdict = evaluate(number, training, rules, champion_of(number)).verdict
    return Verdict(verdict.status, verdict.reason, verdict.status)


def _sealed_verdict(version: ModelVersion) -> Verdict | None:
    try:
        sealed = seals.of_version(version)
    except UnusableVersion:
        return None  # it is evaluated, and that says why it cannot be loaded
    return sealed.verdict if sealed else None


def champion_of(number: str) -> str | None:
    """The version in Production; where that is this one, the one that served last before it, or itself if none did."""
    production = versions.in_production()
    if production != number:
        return production
    existing = {str(version.version): version for version in versions.all_versions()}
    for cutover in reversed(warehouse.cutovers(MODEL_NAME)):
        version = existing.get(cutover.version or "")
        if cutover.version not in (None, number) and version and versions.is_same(version, cutover):
            return cutover.version
    return number


def _evidence(version: str, training: Run, production: str | None, rules: Rules) -> tuple[Evidence, float | None]:
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
        return collect(store, candidate, training_set, production, rules), example


def _example_probability(candidate: LoadedVersion) -> float | None:
    if candidate.example is None:
        return None
    try:
        return float(candidate.answers(candidate.example)["probability"].iloc[0])
    except UnusableVersion:
        return None  # the evidence repeats this answer, and its failure is a blocking issue
