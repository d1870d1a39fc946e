"""Make a version of streamflow_churn from a training run, and promote it if it is good enough. In: a finished train
run. Out: the version; in Production only when the gate let it pass (steps/gate.py), with the verdict as its tags.

A refusal is no failure: the run is FINISHED, the version is there, in no stage.
"""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import admission, console, parameters, promotion, tracking, warehouse
from steps.admission import Admission
from steps.errors import BadParameter, NoTraining
from steps.gate import Rules
from steps.settings import MODEL_NAME

STAGES = ("Production", "Staging", "None")
CARRIED_TAGS = ("as_of", "feature_service", "dataset_sha256", tracking.COMMIT_TAG, tracking.LOCK_TAG)
NEWER_TAGS = ("calibration", "threshold")  # trainings from before have none


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    what = args.run_id or args.as_of
    params = {**vars(args), "run_id": args.run_id or "", "as_of": args.as_of or ""}
    with tracking.step_run("register", f"register_{what}", params):
        training = find_training(args.run_id, args.as_of)
        version = make_version(training)
        mlflow.set_tags({"model_version": version, "training_run_id": training.info.run_id})
        with warehouse.promotion_lock():
            with console.timed("gate"):
                admitted = admission.admit(version, training, Rules(args.min_gain, args.min_auc, args.force))
            archived = settle(version, args.stage, admitted)
        console.say(summary(training, version, args.stage, archived, admitted))


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
    parser.add_argument(
        "--min-gain", type=parameters.number(-1, 1), required=True, help="of AUC over Production; 0.0: not worse"
    )
    parser.add_argument("--min-auc", type=parameters.number(0, 1), required=True, help="on the validation rows")
    parser.add_argument(
        "--force", type=parameters.yes_or_no, required=True, help="true: promote whatever the comparison says"
    )
    args = parser.parse_args(argv)
    if (args.run_id is None) == (args.as_of is None):
        parser.error("give either run_id or as_of: -P run_id=… or -P as_of=2024-01-31")
    return args


def find_training(run_id: str | None, as_of: object) -> Run:
    """Raises NoTraining, BadParameter."""
    if run_id is None:
        found = tracking.newest_run("train", {"as_of": str(as_of)})
        if not found:
            raise NoTraining(f"No finished training of {as_of}. Run: mlflow run . -e train -P as_of={as_of}")
        return found
    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        raise BadParameter(f"There is no run {run_id}") from error
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


def make_version(training: Run) -> str:
    tags = {name: training.data.tags[name] for name in CARRIED_TAGS}
    tags |= {name: training.data.tags[name] for name in NEWER_TAGS if name in training.data.tags}
    made = mlflow.register_model(
        f"models:/{logged_model(training)}", MODEL_NAME, tags={**tags, "run_id": training.info.run_id}
    )
    return str(made.version)


def settle(version: str, stage: str, admitted: Admission) -> list[str] | None:
    """Puts the version where it may go. Returns the versions archived for it; None when it stays in no stage."""
    if stage == "None" or (stage == promotion.PRODUCTION and not admitted.verdict.promotes):
        return None
    return promotion.put_in_stage(version, stage)


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
