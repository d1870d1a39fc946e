"""Versions that passed the gate and wait for a person: register with promote=ask leaves them out of Production."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from steps import warehouse
from steps.cli.errors import NoApproval
from steps.cli.settings import MODEL_NAME
from steps.registry import decisions, versions
from steps.registry.examination.gate import GateResult
from steps.registry.examination.rules import Rules
from steps.runs import outcomes
from steps.warehouse import RecordedDecision, RecordedRequest, Request, RequestedAction

WAITS_TAG = "waits_for_approval"  # for people who look at the version in MLflow; gone once the decision is carried out
RULE = "rule: promote=ask"


@dataclass(frozen=True)
class Judged:
    """A version, its result at the gate, and the version in Production at that time."""

    version: ModelVersion
    production: ModelVersion | None
    result: GateResult


@dataclass(frozen=True)
class Waiting:
    """A version that waits, and what it waits with."""

    version: ModelVersion
    question: RecordedDecision

    @property
    def rules(self) -> Rules:
        """Those it passed the gate with. Raises NoApproval where an earlier release asked, which had others."""
        figures, rules = self.question.figures, [field.name for field in fields(Rules)]
        if missing := ", ".join(name for name in rules if name not in figures):
            number = self.version.version
            raise NoApproval(f"Version {number} waits since before the gate had {missing}. Register its training again")
        return Rules(**{name: figures[name] for name in rules})  # type: ignore[arg-type]

    def compared_with(self, production: ModelVersion | None) -> bool:
        """Whether it passed the gate against this version."""
        before = {name: self.question.figures.get(f"production_{name}") for name in decisions.identity(production)}
        return before == decisions.identity(production)


def how_to_approve(number: str) -> str:
    return f"make approve VERSION={number} BY=NAME, or mlflow run . -e approve -P version={number} -P by=NAME"


def let_wait(judged: Judged) -> None:
    """Records that the version waits. The caller holds the promotion lock."""
    number = str(judged.version.version)
    reason = f"Version {number} passed the gate and waits for a person; {serving_text(judged.production)}"
    _record(judged, decisions.WAITS, reason, RULE)
    versions.tag(number, {WAITS_TAG: how_to_approve(number)})


def promote_unasked(judged: Judged) -> None:
    """Records that the version is promoted by its verdict. The caller holds the promotion lock."""
    before = judged.production
    instead = f"in place of version {before.version}" if before else "as the first version there"
    is_forced = judged.result.verdict.status == "forced"
    passed, by = ("was forced past", outcomes.person()) if is_forced else ("passed", "gate")
    reason = f"Version {judged.version.version} {passed} the gate and goes to Production {instead}"
    _record(judged, "promoted", reason, by)


def serving_text(production: ModelVersion | None) -> str:
    return f"version {production.version} stays in Production" if production else "nothing is in Production"


def replaced_text(archived: Sequence[str]) -> str:
    return f"version {', '.join(archived)} archived" if archived else "it is the first there"


def _record(judged: Judged, outcome: str, reason: str, by: str) -> None:
    before = {f"production_{name}": value for name, value in decisions.identity(judged.production).items()}
    figures = {**decisions.plain(judged.result.metrics()), **asdict(judged.result.rules), **before}
    inputs = {**figures, "occasion": decisions.occasion("promotion", judged.version, decisions.about_stages())}
    decisions.record(judged.version, "promotion", outcome, reason, figures=figures, by=by, inputs=inputs)


def of_version(version: ModelVersion) -> Waiting:
    """Raises NoApproval for a version that does not wait."""
    number, history = str(version.version), decisions.about_stages()
    if number == versions.in_production():
        raise NoApproval(f"Version {number} is already in Production")
    if question := _question(version, history):
        return Waiting(version, question)
    why = _why_not(version, decisions.newest(version, history))
    raise NoApproval(f"Version {number} does not wait for approval: {why}. {_waiting_text(history)}")


def _question(version: ModelVersion, history: list[RecordedDecision]) -> RecordedDecision | None:
    """The decision by which the version waits."""
    newest = decisions.newest(version, history)
    questions = [decision for decision in history if _asks(decision) and decisions.is_about(decision, version)]
    # an approval that a killed step has not carried out is given again
    is_left = newest and newest.kind == "approval" and WAITS_TAG in version.tags
    return questions[-1] if newest and questions and (_asks(newest) or is_left) else None


def request_decision(version: str, action: RequestedAction, person: str) -> None:
    """Records a person's request about a version that waits. Raises NoApproval, NoSuchVersion."""
    waiting_version = of_version(versions.get(version))
    warehouse.record_request(MODEL_NAME, Request(version, waiting_version.question.id, action, person))


def open_requests() -> list[RecordedRequest]:
    """The newest request about each version that waits: nobody has carried it out yet."""
    newest = {request.question: request for request in warehouse.requests(MODEL_NAME)}
    if not newest:
        return []
    history, production = decisions.about_stages(), versions.in_production()
    existing = [version for version in versions.all_versions() if str(version.version) != production]
    questions = [question for version in existing if (question := _question(version, history))]
    return [newest[question.id] for question in questions if question.id in newest]


def waiting(history: list[RecordedDecision]) -> list[str]:
    """The numbers of the versions that wait, the lowest first."""
    production = versions.in_production()
    existing = [version for version in versions.all_versions() if str(version.version) != production]
    numbers = [
        str(version.version)
        for version in existing
        if (newest := decisions.newest(version, history)) is not None and _asks(newest)
    ]
    return sorted(numbers, key=int)


def settle(version: ModelVersion) -> None:
    """Takes the tag from a version that no longer waits."""
    if WAITS_TAG not in version.tags:
        return
    MlflowClient().delete_model_version_tag(MODEL_NAME, str(version.version), WAITS_TAG)


def _asks(decision: RecordedDecision) -> bool:
    return decision.kind == "promotion" and decision.outcome == decisions.WAITS


def _why_not(version: ModelVersion, newest: RecordedDecision | None) -> str:
    if newest is not None and newest.kind in ("approval", "refusal"):
        verb = "approved" if newest.kind == "approval" else "refused"
        return f"{newest.decided_by} {verb} it at {newest.at:%Y-%m-%d %H:%M}Z"
    status = version.tags.get("gate")
    if status is None:
        return "the gate never judged it"
    if status == "refused":
        return f"the gate refused it: {version.tags.get('gate_reason', 'no reason recorded')}"
    return "register was not asked to let it wait (-P promote=ask)"


def _waiting_text(history: list[RecordedDecision]) -> str:
    numbers = ", ".join(waiting(history))
    return f"Waiting: {numbers}" if numbers else "No version waits"
