"""Decisions about versions, as rows of the table `decisions`.

Each is recorded before it is carried out. A step that was killed in between is run again: it decides the same, finds
its row, and carries the decision out.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from steps import warehouse
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.inputs import digest
from steps.warehouse import Decision, DecisionKind, Figure, RecordedDecision

PROMOTED, WAITS = "promoted", "waits"
OUTCOME_TAG = "outcome"  # of a run of register
CREATED = "version_created_ms"  # numbers are reused once a registered model is deleted
ABOUT_STAGES: tuple[DecisionKind, ...] = ("promotion", "approval", "refusal", "rollback")


def identity(version: ModelVersion | None) -> dict[str, str | int | None]:
    """Tells a version from another one that has its number."""
    if version is None:
        return {"version": None}
    return {"version": str(version.version), "run_id": version.run_id, "created": version.creation_timestamp}


def production() -> ModelVersion | None:
    """The version in Production."""
    number = versions.in_production()
    return versions.get(number) if number else None


def record(
    version: ModelVersion,
    kind: DecisionKind,
    outcome: str,
    reason: str,
    *,
    figures: Mapping[str, Figure],
    by: str,
    inputs: Mapping[str, object],
) -> None:
    """by: "gate", "rule: NAME" or a person. inputs: what it follows from, beside the version.

    Raises DatabaseUnavailable.
    """
    sha256 = digest(kind, {"outcome": outcome, "version": identity(version), "inputs": inputs})
    figures = {"run_id": version.run_id, CREATED: version.creation_timestamp, **figures}
    month = None if kind == "rollback" else as_of(version)
    decision = Decision(kind, outcome, month, str(version.version), reason, figures, by, sha256)
    warehouse.apply_schema()
    warehouse.record_decision(MODEL_NAME, decision)


def as_of(version: ModelVersion) -> date | None:
    """The month that the version was trained on."""
    with suppress(ValueError):  # tags are anybody's text
        return date.fromisoformat(version.tags.get("as_of", ""))
    return None


def about_stages() -> list[RecordedDecision]:
    """The decisions about which version serves, oldest first."""
    return [decision for decision in warehouse.decisions(MODEL_NAME) if decision.kind in ABOUT_STAGES]


def is_about(decision: Decision, version: ModelVersion) -> bool:
    return decision.version == str(version.version) and decision.figures.get(CREATED) == version.creation_timestamp


def occasion(kind: DecisionKind, version: ModelVersion, history: Sequence[RecordedDecision]) -> int:
    """The number of the newest decision about the stages before this one.

    It is an input: the same decision by the same figures is a second one after something else was decided, and is the
    first one where a killed step is run again.
    """
    numbers = [
        decision.id
        for decision in history
        if decision.outcome != WAITS and not (decision.kind == kind and is_about(decision, version))
    ]
    return max(numbers, default=0)


def newest(version: ModelVersion, history: Sequence[RecordedDecision]) -> RecordedDecision | None:
    """The newest decision about the version's stage."""
    return next((decision for decision in reversed(history) if is_about(decision, version)), None)


def plain(figures: Mapping[str, Any]) -> dict[str, Figure]:
    """Figures of other types, such as NumPy's, as the table's."""
    return {
        name: value if value is None or isinstance(value, str | int | float) else float(value)
        for name, value in figures.items()
    }
