"""One version before the gate: examined, judged, and the verdict written where it will be looked for."""

from dataclasses import dataclass

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from steps import warehouse
from steps.cli.errors import DatasetMismatch, UnusableVersion
from steps.features import historical
from steps.registry import gate, gate_rules, versions
from steps.registry.evidence import examine
from steps.registry.gate import Evidence, Rules, Verdict
from steps.registry.versions import Opened
from steps.runs import tracking

WORDS = {"passed": "The gate passed it", "refused": "The gate refused it", "forced": "Forced past the gate"}
CARRIED_TAGS = (
    "as_of", names.FEATURE_SERVICE_TAG, names.DATASET_SHA256_TAG, "calibration", "threshold",
    tracking.COMMIT_TAG, tracking.LOCK_TAG, tracking.PYTHON_TAG,
)  # fmt: skip
ADMITTED = "gate_admitted"  # the last verdict but for lost comparisons: what passed once may come back
PROMOTING = ("passed", "forced")


@dataclass(frozen=True)
class Admission:
    verdict: Verdict
    evidence: Evidence

    def explained(self) -> str:
        """The verdict, its reason, both figures and the interval."""
        said = f"{WORDS[self.verdict.status]}: {self.verdict.reason}."
        if self.evidence.defects:
            return f"{said} That cannot be forced."
        override = " To promote it all the same: -P force=true." if self.verdict.status == "refused" else ""
        return f"{said} {gate.shown(self.evidence)}{override}"


def carried(training: Run) -> dict[str, str]:
    """What a version's tags say of its training."""
    tags = {name: training.data.tags[name] for name in CARRIED_TAGS if name in training.data.tags}
    return {**tags, "run_id": training.info.run_id}


def admit(version: str, training: Run, rules: Rules) -> Admission:
    """Judges, and records on the version (tags) and on the active run (tags, metrics). Changes no stage.

    Compare-and-promote is one act: the caller holds the promotion lock. Raises DatabaseUnavailable,
    TrackingUnavailable; then there is no verdict, and the version is examined when it is next looked at.
    """
    serving = versions.serving()
    evidence, example = _evidence(version, training, serving, rules.min_users)
    admission = Admission(gate.judge(evidence, rules), evidence)
    tags = {"gate_rule": rules.rule, "gate_reason": admission.verdict.reason, "gate": admission.verdict.status}
    if admission.verdict.promotes or evidence.defects:
        tags = {ADMITTED: admission.verdict.status, **tags}
    if evidence.rival is not None:
        tags = {"gate_months": ", ".join(evidence.rival.months), **tags}
    if serving not in (None, version):
        tags = {"gate_production_version": str(serving), **tags}
    metrics = _metrics(evidence)
    # before any stage changes: whoever starts a server for the version compares its first answer with this one
    known = {} if example is None else {names.EXAMPLE_PROBABILITY_TAG: repr(example)}
    figures = {f"gate_{name}": repr(value) for name, value in metrics.items()}
    versions.tag(version, {**known, **figures, **tags})  # the verdict last: what is killed half way has none
    mlflow.set_tags(tags)
    mlflow.log_metrics(metrics)
    return admission


def may_serve(version: ModelVersion) -> bool:
    """Whether the gate ever let this version pass, and nothing wrong was found with it since. Examines a version that
    has no verdict (see ensure_verdict)."""
    return ensure_verdict(version) in PROMOTING or version.tags.get(ADMITTED) in PROMOTING


def ensure_verdict(version: ModelVersion, *, allow_older: bool = True) -> str:
    """The version's verdict: passed, forced or refused. One that has none, because its register was killed or it was
    registered with the UI's button, is examined now, by the rules that MLproject gives register.

    allow_older: whether it may come from an older month than Production's; who goes back means to.
    Needs an active run. Raises DatabaseUnavailable, TrackingUnavailable.
    """
    recorded = version.tags.get("gate")
    if recorded:
        return str(recorded)
    training = versions.training_of(version)
    if training is None:
        reason = "it is unknown what it was trained on: its training run is gone"
        versions.tag(str(version.version), {"gate_reason": reason, "gate": "refused"})
        return "refused"
    versions.tag(str(version.version), carried(training))
    return admit(str(version.version), training, gate_rules.usual(allow_older=allow_older)).verdict.status


def _evidence(version: str, training: Run, serving: str | None, min_users: int) -> tuple[Evidence, float | None]:
    """And what the version answers to its own input example, where it answers at all."""
    try:
        candidate = versions.open_version(version)
    except UnusableVersion as error:
        return Evidence([str(error)], None, None, None), None
    example = _example_probability(candidate)
    warehouse.apply_schema()  # the feature registry lives there, and a warehouse may be newer than its models
    try:
        with historical.applied_store() as store:
            return examine(store, candidate, training, serving, min_users), example
    except DatasetMismatch as error:
        return Evidence([str(error)], None, None, None), example


def _example_probability(candidate: Opened) -> float | None:
    if candidate.example is None:
        return None
    try:
        return float(candidate.answers(candidate.example)["probability"].iloc[0])
    except UnusableVersion:
        return None  # the examination asks again, and names it as a defect


def _metrics(evidence: Evidence) -> dict[str, float]:
    rival = evidence.rival
    own = {} if evidence.auc is None else {"auc_candidate": evidence.auc, "auc_own_validation": evidence.auc}
    if rival is None:
        return own
    return {
        **own,
        "auc_candidate": rival.candidate_auc,
        "auc_production": rival.auc,
        "auc_gain": rival.gain,
        "auc_gain_low": rival.low,
        "auc_gain_high": rival.high,
        "rows_compared": float(rival.rows),
        "users_compared": float(rival.users),
        "months_compared": float(len(rival.months)),
        **{f"left_out_{reason}": float(rows) for reason, rows in rival.left_out.items()},
    }
