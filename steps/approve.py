"""Promote a version that waits for a person, or refuse it. In: a version that passed the gate in a register with
promote=ask, and the person's name. Out: the version in Production, its predecessor archived; or, with refuse=true, the
version in no stage, waiting no longer. The decision is recorded with the name.

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
from steps.cli.errors import NoApproval
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions, seals, versions
from steps.registry.approvals import Waiting
from steps.registry.examination import validation
from steps.runs import descriptions, tracking


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("approve", f"approve_{args.version}", vars(args)):
        mlflow.set_tag("model_version", args.version)
        with warehouse.promotion_lock():
            waiting = approvals.of_version(versions.get(args.version))
            text = refuse(waiting, args.by) if args.refuse else promote(waiting, args.by)
        descriptions.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="approve", description=__doc__)
    parser.add_argument("--version", type=parameters.version, required=True, help="a version's number")
    parser.add_argument("--by", type=parameters.person, required=True, help="the name of the person who decides")
    parser.add_argument("--refuse", type=parameters.yes_or_no, required=True, help="true: refuse it")
    return parser.parse_args(argv)


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
