"""One version before the gate: examined, judged, and the verdict written where it will be looked for."""

from dataclasses import dataclass

import mlflow
from mlflow.entities import Run

from steps import examination, gate, point_in_time, promotion, versions, warehouse
from steps.errors import DatasetMismatch, UnusableVersion
from steps.gate import Evidence, Rules, Verdict
from steps.versions import Opened

WORDS = {"passed": "The gate passed it", "refused": "The gate refused it", "forced": "Forced past the gate"}


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


def admit(version: str, training: Run, rules: Rules) -> Admission:
    """Judges, and records on the version (tags) and on the active run (tags, metrics). Changes no stage.

    Compare-and-promote is one act: the caller holds the promotion lock. Raises DatabaseUnavailable.
    """
    serving = promotion.serving()
    evidence, example = _evidence(version, training, serving)
    admission = Admission(gate.judge(evidence, rules), evidence)
    tags = {"gate": admission.verdict.status, "gate_reason": admission.verdict.reason}
    if serving is not None:
        tags["gate_production_version"] = serving
    metrics = _metrics(evidence)
    # before any stage changes: whoever starts a server for the version compares its first answer with this one
    known = {} if example is None else {"example_probability": repr(example)}
    versions.tag(version, {**tags, **known, **{f"gate_{name}": repr(value) for name, value in metrics.items()}})
    mlflow.set_tags(tags)
    mlflow.log_metrics(metrics)
    return admission


def _evidence(version: str, training: Run, serving: str | None) -> tuple[Evidence, float | None]:
    """And what the version answers to its own input example, where it answers at all."""
    try:
        candidate = versions.open_version(version)
    except UnusableVersion as error:
        return Evidence([str(error)], None, None, None), None
    example = _example_probability(candidate)
    try:
        validation = examination.validation_of(training)
    except DatasetMismatch as error:
        return Evidence([str(error)], None, None, None), example
    warehouse.apply_schema()  # the feature registry lives there, and a warehouse may be newer than its models
    with point_in_time.applied_store() as store:
        return examination.examine(store, validation, candidate, serving), example


def _example_probability(candidate: Opened) -> float | None:
    if candidate.example is None:
        return None
    try:
        return float(candidate.answers(candidate.example)["probability"].iloc[0])
    except UnusableVersion:
        return None  # the examination asks again, and names it as a defect


def _metrics(evidence: Evidence) -> dict[str, float]:
    rival = evidence.rival
    found = {} if evidence.auc is None else {"auc_candidate": evidence.auc}
    if rival is None:
        return found
    return {
        "auc_candidate": rival.candidate_auc,
        "auc_production": rival.auc,
        "auc_gain": rival.gain,
        "auc_gain_low": rival.low,
        "auc_gain_high": rival.high,
        "rows_compared": float(rival.rows),
    }
