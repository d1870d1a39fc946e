"""Promote a version that waits for a person, or refuse it. In: a version that passed the gate in a register with
promote=ask, and the person's name. Out: the version in Production, its predecessor archived; or, with refuse=true, the
version in no stage, waiting no longer. The decision is recorded with the name. With pending=true: what people asked for
on the console's page and no step has carried out yet; without any such request, nothing happens.

Where Production has changed since the version was compared with it, the gate compares again, by the rules of that
register; a version that does not pass any more is not promoted, and goes on waiting. The name is a statement, no login.
"""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from sealing.statement import SERVABLE
from steps import warehouse
from steps.cli import console, parameters
from steps.cli.errors import NoApproval, UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions, seals, versions
from steps.registry.approvals import Waiting
from steps.registry.examination import validation
from steps.runs import descriptions, tracking

NOTHING_PENDING = "[OK] No request waits: nothing was approved or refused."


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    pending = approvals.open_requests() if args.pending else []
    if args.pending and not pending:
        console.say(NOTHING_PENDING)
        descriptions.name_project_run("approve_requests", NOTHING_PENDING)
        return
    name = "approve_requests" if pending else f"approve_{args.version}"
    with tracking.step_run("approve", name, vars(args)):
        if pending:
            carry_out(pending)
            return
        mlflow.set_tag("model_version", args.version)
        descriptions.conclude(decide(args.version, args.by, is_refusal=args.refuse))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="approve", description=__doc__)
    version, person = parameters.optional(parameters.version), parameters.optional(parameters.person)
    parser.add_argument("--version", type=version, required=True, help="a version's number")
    parser.add_argument("--by", type=person, required=True, help="the name of the person who decides")
    parser.add_argument("--refuse", type=parameters.yes_or_no, required=True, help="true: refuse it")
    pending = "true: carry out what people asked for on the console's page, without version and by"
    parser.add_argument("--pending", type=parameters.yes_or_no, required=True, help=pending)
    args = parser.parse_args(argv)
    of_person = [value for value in (args.version, args.by) if value]
    if len(of_person) != (0 if args.pending else 2) or (args.pending and args.refuse):
        parser.error("give a version and your name: -P version=N -P by=NAME (make: VERSION=N BY=NAME); or pending=true")
    return args


def decide(version: str, person: str, *, is_refusal: bool, question: int | None = None) -> str:
    """Carries out a person's decision and returns the closing line. question: the one that it answers, if not any.

    Raises NoApproval, UnusableVersion.
    """
    with warehouse.promotion_lock():
        waiting = approvals.of_version(versions.get(version))
        if question not in (None, waiting.question.id):
            raise NoApproval(f"Version {version} was registered again meanwhile, and waits for another answer")
        return refuse(waiting, person) if is_refusal else promote(waiting, person)


def carry_out(pending: Sequence[warehouse.RecordedRequest]) -> None:
    """Each request on its own: one that the gate now refuses keeps no other back. Raises NoApproval at the end."""
    texts, failed = [], []
    for request in pending:
        person, refusal = parameters.person(request.requested_by), request.action == "refuse"
        try:
            texts.append(decide(request.version, person, is_refusal=refusal, question=request.question))
        except (NoApproval, UnusableVersion) as error:
            failed.append(f"{person}'s request to {request.action} version {request.version}: {error}")
    if failed:
        raise NoApproval(" ".join([*failed, *texts]))
    descriptions.conclude(" ".join(texts))


def promote(waiting: Waiting, person: str) -> str:
    """Promotes the version and returns the closing line. Raises NoApproval, UnusableVersion."""
    number, production = str(waiting.version.version), decisions.production()
    sealed = seals.require_stored(waiting.version)
    status = sealed.verdict.status if sealed.verdict else "never judged"
    compared = waiting.compared_with(production) and status in SERVABLE
    explained = "" if compared else compare_again(waiting, production)
    serving = f"in place of version {production.version}" if production else "where none was before"
    record(waiting, "approval", "promoted", f"{person} put version {number} in Production, {serving}", person)
    archived = versions.put_in_stage(number, names.PRODUCTION)
    approvals.settle(waiting.version)
    replaced = approvals.replaced_text(archived)
    return f"[OK] {MODEL_NAME} version {number} is in {names.PRODUCTION}, approved by {person}; {replaced}.{explained}"


def compare_again(waiting: Waiting, production: ModelVersion | None) -> str:
    """The gate's verdict, as a sentence. Raises NoApproval where it refuses."""
    number, training = str(waiting.version.version), versions.training_of(waiting.version)
    if training is None:
        raise NoApproval(f"Version {number} cannot be compared again: {validation.NO_TRAINING}")
    result = validation.evaluate(number, training, waiting.rules, str(production.version) if production else None)
    changed = f"Production has changed since version {number} was compared"
    if not result.verdict.promotes:
        raise NoApproval(f"{changed}. {result.explained()} To refuse it: -P refuse=true")
    return f" {changed}. {result.explained()}"


def refuse(waiting: Waiting, person: str) -> str:
    """Returns the closing line."""
    number, serving = str(waiting.version.version), approvals.serving_text(decisions.production())
    record(waiting, "refusal", "refused", f"{person} refused version {number}; {serving}", person)
    approvals.settle(waiting.version)
    return f"[OK] {MODEL_NAME} version {number} no longer waits, refused by {person}; {serving}."


def record(waiting: Waiting, kind: warehouse.DecisionKind, outcome: str, reason: str, person: str) -> None:
    question = waiting.question
    inputs = {"question": question.id}
    decisions.record(waiting.version, kind, outcome, reason, figures=question.figures, by=person, inputs=inputs)


if __name__ == "__main__":
    console.run(main)
