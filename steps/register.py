"""Make a version of streamflow_churn from a training run. In: a finished train run. Out: the version, in a stage."""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import console, parameters, tracking
from steps.errors import BadParameter, NoTraining
from steps.settings import MODEL_NAME

STAGES = ("Production", "Staging", "None")
CARRIED_TAGS = ("as_of", "feature_service", "dataset_sha256", tracking.COMMIT_TAG, tracking.LOCK_TAG)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    what = args.run_id or args.as_of
    params = {"run_id": args.run_id or "", "as_of": args.as_of or "", "stage": args.stage}
    with tracking.step_run("register", f"register_{what}", params):
        training = find_training(args.run_id, args.as_of)
        version = make_version(training)
        before = put_in_stage(version, args.stage)
        mlflow.set_tags({"model_version": version, "training_run_id": training.info.run_id})
        console.say(summary(training, version, args.stage, before))


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
    parser.add_argument("--stage", choices=STAGES, required=True)
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
    made = mlflow.register_model(
        f"models:/{logged_model(training)}", MODEL_NAME, tags={**tags, "run_id": training.info.run_id}
    )
    return str(made.version)


def put_in_stage(version: str, stage: str) -> list[str]:
    """Moves the version; whoever was in the stage is archived. Returns the versions that were there before."""
    client = MlflowClient()
    before = [v.version for v in client.search_model_versions(f"name='{MODEL_NAME}'") if v.current_stage == stage]
    if stage == "None":
        return []
    client.transition_model_version_stage(MODEL_NAME, version, stage, archive_existing_versions=True)
    client.set_registered_model_alias(MODEL_NAME, stage, version)  # for the day stages go
    return sorted(map(str, before), key=int)


def summary(training: Run, version: str, stage: str, before: Sequence[str]) -> str:
    made = f"[OK] {MODEL_NAME} version {version} from run {training.info.run_id}"
    if stage == "None":
        return f"{made}, in no stage. Promote it in the UI."
    return f"{made} is in {stage}; " + (
        f"version {', '.join(before)} archived." if before else "it is the first there."
    )


if __name__ == "__main__":
    console.run(main)
