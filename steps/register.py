"""Make a version of streamflow_churn from a training run, and promote it if it passes the gate. In: a finished train
run. Out: the version, with the verdict as its tags; in Production only if the gate passed it
(registry/examination/gate.py).

With promote=ask a version that passed waits for a person (approve): it stays out of Production, and the exit code is 2.
A refusal is no failure: the run is FINISHED, and the version exists, in no stage. A training has one version: if an
earlier register was killed before the verdict, or the UI made the version, this step continues with it. A duplicate of
the training in Production (same data, code and parameters) gets no version.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow.entities import Run

from configuration import names
from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.errors import BadParameter, NoTraining
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions, seals, versions
from steps.registry.approvals import Judged
from steps.registry.examination import duplicates, rules, validation
from steps.registry.examination.gate import GateResult
from steps.registry.examination.rules import Rules
from steps.runs import descriptions, outcomes, search, tracking

REFUSED, NO_STAGE = "refused", "no stage"  # or decisions.PROMOTED, decisions.WAITS
STAGES = (names.PRODUCTION, "Staging", "None")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    args = parse_args(argv)
    with tracking.step_run("register", f"register_{args.run_id or args.as_of}", vars(args)):
        training = find_training(args.run_id, args.as_of)
        mlflow.set_tag("training_run_id", training.info.run_id)
        with warehouse.promotion_lock():
            text, outcome = already_promoted(training) or register(training, options_of(args))
        descriptions.conclude(text)
        mlflow.set_tag(decisions.OUTCOME_TAG, outcome)
        return wait() if outcome == decisions.WAITS else 0


def wait() -> int:
    outcomes.record(names.WAITS)
    return names.WAITS


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="register", description=__doc__)
    parser.add_argument(
        "--run-id",
        type=parameters.optional(parameters.run_id),
        required=True,
        help="a train run; '' to use --as-of",
    )
    parser.add_argument("--as-of", type=parameters.optional(parameters.as_of), required=True, help="'' to use --run-id")
    parser.add_argument("--stage", choices=STAGES, required=True, help="the gate guards Production alone")
    parser.add_argument("--promote", choices=("auto", "ask"), required=True, help="ask: Production waits for approve")
    rules.add_arguments(parser)
    parser.add_argument(
        "--accept-unsealed", type=parameters.yes_or_no, required=True, help="true: trust a model without a seal"
    )
    args = parser.parse_args(argv)
    if (args.run_id is None) == (args.as_of is None):
        parser.error("give either run_id or as_of: -P run_id=… or -P as_of=2024-01-31")
    return args


def find_training(run_id: str | None, as_of: object) -> Run:
    """The run with this id, or else the newest finished training of the month.

    Raises NoTraining, BadParameter, TrackingUnavailable.
    """
    if run_id is None:
        newest = tracking.newest_run("train", {"as_of": str(as_of)})
        if not newest:
            looked = tracking.searched("train", {"as_of": str(as_of)})
            raise NoTraining(f"No finished training of {as_of} {looked}. Run: mlflow run . -e train -P as_of={as_of}")
        return newest
    run = search.find_run(run_id)
    if run is None:
        raise BadParameter(f"There is no run {run_id}")
    step = run.data.tags.get(tracking.STEP_TAG, "unknown")
    if step != "train" or run.info.status != "FINISHED":
        raise BadParameter(f"Run {run_id} is not a finished training run (step {step}, status {run.info.status})")
    return run


@dataclass(frozen=True)
class Options:
    stage: str
    asks: bool  # a person, before a version is in Production
    rules: Rules
    accept_unsealed: bool  # seal files that have no seal as they are now


def options_of(args: argparse.Namespace) -> Options:
    return Options(args.stage, args.promote == "ask", rules.rules_of(args), args.accept_unsealed)


def already_promoted(training: Run) -> tuple[str, str] | None:
    """As register, where Production has this training's version, or a duplicate's."""
    text = duplicates.already_promoted(training)
    return (text, decisions.PROMOTED) if text else None


def register(training: Run, options: Options) -> tuple[str, str]:
    """Makes or continues the version, judges it and promotes it if it may be. Returns the closing line and the outcome.

    The caller holds the promotion lock.
    """
    number, stage = versions.version_of(training), options.stage
    mlflow.set_tag("model_version", number)
    if options.accept_unsealed:
        seals.accept(versions.get(number))
    production = decisions.production()
    with progress.timed("gate"):
        result = validation.evaluate(number, training, options.rules, str(production.version) if production else None)
    judged = Judged(versions.get(number), production, result)
    is_itself = production is not None and str(production.version) == number
    outcome = outcome_of(stage, result, asks=options.asks and not is_itself)
    text = carry_out(f"{MODEL_NAME} version {number} from run {training.info.run_id}", judged, stage, outcome)
    return f"{text} {result.explained()}", outcome


def outcome_of(stage: str, result: GateResult, *, asks: bool) -> str:
    """The gate guards Production alone, and so does the person."""
    if stage == "None":
        return NO_STAGE
    if stage != names.PRODUCTION:
        return decisions.PROMOTED
    if not result.verdict.promotes:
        return REFUSED
    return decisions.WAITS if asks else decisions.PROMOTED


def carry_out(name: str, judged: Judged, stage: str, outcome: str) -> str:
    """Carries the outcome out, and returns the closing line without the verdict."""
    if outcome == decisions.PROMOTED:
        return f"[OK] {name} is in {stage}; {approvals.replaced_text(promote(judged, stage))}."
    if outcome == NO_STAGE:
        return f"[OK] {name}, in no stage. Promote it in the UI."
    if outcome == REFUSED:
        return f"[REFUSED] {name} stays out of {stage}."
    approvals.let_wait(judged)
    how = approvals.how_to_approve(str(judged.version.version))
    return f"[WAITS] {name} waits for a person; {approvals.serving_text(judged.production)}. To promote it: {how}."


def promote(judged: Judged, stage: str) -> list[str]:
    """Returns the archived versions."""
    if stage == names.PRODUCTION:
        approvals.promote_unasked(judged)
    archived = versions.put_in_stage(str(judged.version.version), stage)
    approvals.settle(judged.version)
    return archived


if __name__ == "__main__":
    console.run(main)
