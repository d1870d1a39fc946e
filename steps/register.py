"""Make a version of streamflow_churn from a training run, and promote it if it passes the gate. In: a finished train
run. Out: the version, with the verdict as its tags; in Production only if the gate passed it
(registry/examination/gate.py).

A refusal is no failure: the run is FINISHED, and the version exists, in no stage. A training has one version: if an
earlier register was killed before the verdict, or the UI made the version, this step continues with it. A duplicate of
the training in Production (same data, code and parameters) gets no version.
"""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities import Run

from configuration import names
from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.errors import BadParameter, NoTraining
from steps.cli.settings import MODEL_NAME
from steps.registry import seals, versions
from steps.registry.examination import duplicates, rules, validation
from steps.registry.examination.gate import GateResult
from steps.registry.examination.rules import Rules
from steps.runs import descriptions, search, tracking

STAGES = (names.PRODUCTION, "Staging", "None")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("register", f"register_{args.run_id or args.as_of}", vars(args)):
        training = find_training(args.run_id, args.as_of)
        mlflow.set_tag("training_run_id", training.info.run_id)
        with warehouse.promotion_lock():
            text = duplicates.already_promoted(training) or register(
                training, args.stage, rules.rules_of(args), accept_unsealed=args.accept_unsealed
            )
        descriptions.conclude(text)


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


def register(training: Run, stage: str, gate_rules: Rules, *, accept_unsealed: bool) -> str:
    """Makes or continues the version, judges it and promotes it if it may be. Returns the closing line.

    accept_unsealed: seals files that have no seal as they are now. The caller holds the promotion lock.
    """
    version = versions.version_of(training)
    mlflow.set_tag("model_version", version)
    if accept_unsealed:
        seals.accept(versions.get(version))
    with progress.timed("gate"):
        result = validation.evaluate(version, training, gate_rules, versions.in_production())
    stays_out = stage == "None" or (stage == names.PRODUCTION and not result.verdict.promotes)
    archived = None if stays_out else versions.put_in_stage(version, stage)
    return summary(f"version {version} from run {training.info.run_id}", stage, archived, result)


def summary(version: str, stage: str, archived: Sequence[str] | None, result: GateResult) -> str:
    """archived: the versions that it replaced; None when it stays in no stage."""
    name, verdict = f"{MODEL_NAME} {version}", result.explained()
    if archived is not None:
        replaced = f"version {', '.join(archived)} archived" if archived else "it is the first there"
        return f"[OK] {name} is in {stage}; {replaced}. {verdict}"
    if stage == "None":
        return f"[OK] {name}, in no stage. Promote it in the UI. {verdict}"
    return f"[REFUSED] {name} stays out of {stage}. {verdict}"


if __name__ == "__main__":
    console.run(main)
