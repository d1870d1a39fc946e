"""Make a version of streamflow_churn from a training run, and promote it if it is good enough. In: a finished train
run. Out: the version; in Production only when the gate let it pass (registry/gate.py), with the verdict as its tags.

A refusal is no failure: the run is FINISHED, the version is there, in no stage. A training has one version: where an
earlier register was ended before the verdict, or the UI's button made it, this one goes on with it. The twin of the
version in Production (same data, code and parameters) is not made again.
"""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from configuration import names
from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.errors import BadParameter, NoTraining, UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import gate_rules, twins, validation, versions
from steps.registry.gate import Rules
from steps.registry.validation import Admission
from steps.runs import descriptions, tracking

STAGES = (names.PRODUCTION, "Staging", "None")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    what = args.run_id or args.as_of
    params = {**vars(args), "run_id": args.run_id or "", "as_of": args.as_of or ""}
    with tracking.step_run("register", f"register_{what}", params):
        training = find_training(args.run_id, args.as_of)
        mlflow.set_tag("training_run_id", training.info.run_id)
        with warehouse.promotion_lock():
            text = already_serving(training) or register(training, args.stage, gate_rules.rules_of(args))
        descriptions.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="register", description=__doc__)
    parser.add_argument(
        "--run-id",
        type=parameters.optional(parameters.run_id),
        required=True,
        help="a train run; '' to go by --as-of",
    )
    parser.add_argument(
        "--as-of", type=parameters.optional(parameters.as_of), required=True, help="'' to go by --run-id"
    )
    parser.add_argument("--stage", choices=STAGES, required=True, help="the gate decides about Production alone")
    gate_rules.add_to(parser)
    args = parser.parse_args(argv)
    if (args.run_id is None) == (args.as_of is None):
        parser.error("give either run_id or as_of: -P run_id=… or -P as_of=2024-01-31")
    return args


def find_training(run_id: str | None, as_of: object) -> Run:
    """Raises NoTraining, BadParameter, TrackingUnavailable."""
    if run_id is None:
        found = tracking.newest_run("train", {"as_of": str(as_of)})
        if not found:
            looked = tracking.searched("train", {"as_of": str(as_of)})
            raise NoTraining(f"No finished training of {as_of} {looked}. Run: mlflow run . -e train -P as_of={as_of}")
        return found
    run = versions.look_up(lambda: MlflowClient().get_run(run_id))
    if run is None:
        raise BadParameter(f"There is no run {run_id}")
    if run.data.tags.get(tracking.STEP_TAG) != "train" or run.info.status != "FINISHED":
        step = run.data.tags.get(tracking.STEP_TAG, "unknown")
        raise BadParameter(f"Run {run_id} is no finished training (step {step}, status {run.info.status})")
    return run


def logged_model(training: Run) -> str:
    """The id of the run's model. Raises NoTraining for a run that logged none."""
    models = training.outputs.model_outputs if training.outputs else []
    if not models:
        raise NoTraining(f"Run {training.info.run_id} has logged no model. Run: mlflow run . -e train")
    return str(models[-1].model_id)


def already_serving(training: Run) -> str | None:
    """The closing line where Production has this training's version or its twin; None where there is one to judge."""
    serving = versions.serving()
    theirs = versions.training_of(versions.get(serving)) if serving else None
    if serving is None or theirs is None:
        return None
    run_id, same = training.info.run_id, theirs.info.run_id == training.info.run_id
    if not (same or twins.is_twin(training, theirs)) or not usable(serving):
        return None
    mlflow.set_tags({"model_version": serving, "twin_of": serving})
    if same:
        verdict = validation.ensure_verdict(versions.get(serving))
        return (
            f"[OK] Run {run_id} is version {serving} of {MODEL_NAME}, in Production already (gate: {verdict}); "
            f"no new version is made."
        )
    return (
        f"[OK] Run {run_id} is the twin of version {serving} of {MODEL_NAME} in Production: same data, code and "
        f"parameters; no new version is made."
    )


def usable(version: str) -> bool:
    """A twin of a version that is damaged is no twin: it can take its place."""
    try:
        versions.open_version(version)
    except UnusableVersion:
        return False
    return True


def register(training: Run, stage: str, rules: Rules) -> str:
    """Makes the version, or goes on with the one there is; judges it; puts it where it may go. Returns the closing
    line. The caller holds the promotion lock."""
    version = version_of(training)
    mlflow.set_tag("model_version", version)
    with progress.timed("gate"):
        admitted = validation.admit(version, training, rules)
    archived = settle(version, stage, admitted)
    return summary(training, version, stage, archived, admitted)


def version_of(training: Run) -> str:
    tags, there = validation.carried(training), versions.of_training(training)
    if there:
        number = str(there[0].version)
        versions.tag(number, tags)
        return number
    return str(mlflow.register_model(f"models:/{logged_model(training)}", MODEL_NAME, tags=tags).version)


def settle(version: str, stage: str, admitted: Admission) -> list[str] | None:
    """Puts the version where it may go. Returns the versions archived for it; None when it stays in no stage."""
    if stage == "None" or (stage == names.PRODUCTION and not admitted.verdict.promotes):
        return None
    return versions.put_in_stage(version, stage)


def summary(training: Run, version: str, stage: str, archived: Sequence[str] | None, admitted: Admission) -> str:
    made, gate = f"{MODEL_NAME} version {version} from run {training.info.run_id}", admitted.explained()
    if archived is not None:
        others = f"version {', '.join(archived)} archived" if archived else "it is the first there"
        return f"[OK] {made} is in {stage}; {others}. {gate}"
    if stage == "None":
        return f"[OK] {made}, in no stage. Promote it in the UI. {gate}"
    return f"[REFUSED] {made} stays out of {stage}. {gate}"


if __name__ == "__main__":
    console.run(main)
