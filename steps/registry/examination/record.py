"""The gate's verdicts as decisions."""

from dataclasses import asdict

from mlflow.entities.model_registry import ModelVersion

from steps.registry import decisions, versions
from steps.registry.examination.gate import STATUS_TEXTS, GateResult
from steps.runs import outcomes

GATE = "gate"


def verdict(number: str, result: GateResult, production: str | None) -> None:
    """production: the version it was compared with. Raises DatabaseUnavailable."""
    status, version = result.verdict.status, versions.get(number)
    figures = {**decisions.plain(result.metrics()), **asdict(result.rules), "production": production}
    champion = decisions.identity(versions.get(production) if production else None)
    inputs = {"figures": figures, "champion": champion, "reason": result.verdict.reason}
    by = outcomes.person() if status == "forced" else GATE
    reason = f"{STATUS_TEXTS[status]}: {result.verdict.reason}"
    decisions.record(version, "gate", status, reason, figures=figures, by=by, inputs=inputs)


def without_training(version: ModelVersion, reason: str) -> None:
    text = f"{STATUS_TEXTS['refused']}: {reason}"
    decisions.record(version, "gate", "refused", text, figures={}, by=GATE, inputs={"reason": reason})
