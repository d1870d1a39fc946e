"""Versions of the registered model: which exist, which training each comes from, their tags and stages."""

import re
from collections.abc import Callable, Mapping

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from configuration import names, stages
from steps.cli.errors import NoSuchVersion, NoTraining
from steps.cli.settings import MODEL_NAME
from steps.runs import search, tracking
from steps.warehouse import Cutover

COPIED_TAGS = (
    "as_of", names.FEATURE_SERVICE_TAG, names.DATASET_SHA256_TAG, "calibration", "threshold",
    tracking.COMMIT_TAG, tracking.LOCK_TAG, tracking.PYTHON_TAG,
)  # fmt: skip


def all_versions() -> list[ModelVersion]:
    """The highest number first. Raises TrackingUnavailable."""
    versions = search.look_up(lambda: list(MlflowClient().search_model_versions(f"name='{MODEL_NAME}'"))) or []
    return sorted(versions, key=lambda version: int(version.version), reverse=True)


def in_stage(stage: str) -> list[ModelVersion]:
    """The highest number first: models:/streamflow_churn/STAGE means that one."""
    return stages.in_stage(all_versions(), stage)


def in_production() -> str | None:
    """The version that models:/streamflow_churn/Production means: the highest, where the UI left two there."""
    versions = in_stage(names.PRODUCTION)
    return str(versions[0].version) if versions else None


def get(number: str) -> ModelVersion:
    """Raises NoSuchVersion, which names the existing versions."""
    versions = all_versions()
    for version in versions:
        if str(version.version) == number:
            return version
    numbers = ", ".join(str(version.version) for version in versions) or "none"
    raise NoSuchVersion(f"{MODEL_NAME} has no version {number}. Existing versions: {numbers}")


def get_or_production(number: str | None) -> ModelVersion:
    """The version with this number; without a number the one in Production. Raises NoSuchVersion."""
    number = number or in_production()
    if number is None:
        raise NoSuchVersion("Nothing is in Production. Give a version: -P version=N")
    return get(number)


def training_of(version: ModelVersion) -> Run | None:
    """The run that logged the version's model; None when it no longer exists.

    Read from MLflow's own record, not from the version's tags: a version registered in the UI has none.
    Raises TrackingUnavailable.
    """
    run_id = version.run_id
    if not run_id and (model := model_id(version)):
        logged = search.look_up(lambda: MlflowClient().get_logged_model(model))
        run_id = logged.source_run_id if logged else None
    return search.find_run(run_id) if run_id else None


def version_of(training: Run) -> str:
    """The number of the training's version, tagged with the training's facts; registers one if there is none.

    Raises NoTraining for a run that logged no model.
    """
    tags, versions, models = _training_tags(training), of_training(training), _models(training)
    if versions:
        number = str(versions[0].version)
        tag(number, tags)
        return number
    if not models:
        raise NoTraining(f"Run {training.info.run_id} logged no model. Run: mlflow run . -e train")
    return str(mlflow.register_model(f"models:/{models[-1]}", MODEL_NAME, tags=tags).version)


def of_training(training: Run) -> list[ModelVersion]:
    """The versions made of the models that this run logged, the highest number first."""
    models = _models(training)
    return [
        version for version in all_versions() if version.run_id == training.info.run_id or model_id(version) in models
    ]


def _models(training: Run) -> list[str]:
    """The ids of the models that the run logged."""
    return [str(output.model_id) for output in (training.outputs.model_outputs if training.outputs else [])]


def model_id(version: ModelVersion) -> str | None:
    """The logged model's id; a version of `models:/m-…` may have it in its source only."""
    source = re.fullmatch(r"models:/(m-[0-9a-f]+)", version.source or "")
    return version.model_id or (source[1] if source else None)


def _training_tags(training: Run) -> dict[str, str]:
    tags = {name: training.data.tags[name] for name in COPIED_TAGS if name in training.data.tags}
    return {**tags, names.RUN_ID_TAG: training.info.run_id}


def tag_with_training(number: str, training: Run) -> None:
    """Copies the training's tags (COPIED_TAGS) and its run id to the version."""
    tag(number, _training_tags(training))


def tag(number: str, tags: Mapping[str, str]) -> None:
    """Sets the tags one after the other, in their order."""
    client = MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(MODEL_NAME, number, name, value)


def describe(number: str, change: Callable[[str], str]) -> None:
    """Replaces the version's description. change: from the present one, where the watcher writes too."""
    client = MlflowClient()
    before = client.get_model_version(MODEL_NAME, number).description or ""
    after = change(before)
    if after != before:
        client.update_model_version(MODEL_NAME, number, after)


def put_in_stage(number: str, stage: str) -> list[str]:
    """Moves the version to the stage and archives the others there. Returns the archived ones, the lowest first."""
    previous = [str(version.version) for version in in_stage(stage)]
    client = MlflowClient()
    client.transition_model_version_stage(MODEL_NAME, number, stage, archive_existing_versions=True)
    client.set_registered_model_alias(MODEL_NAME, stage, number)  # MLflow will remove stages; aliases stay
    return sorted((version for version in previous if version != number), key=int)


def is_same(version: ModelVersion, cutover: Cutover) -> bool:
    """False for a version that only has the number of the one that served: a deleted model's numbers start again."""
    training = training_of(version)
    run_id = version.run_id or (training.info.run_id if training else None)
    if run_id is None or cutover.run_id is None:
        return bool(
            cutover.at.timestamp() * 1000 >= version.creation_timestamp
        )  # no version serves before it is created
    return bool(run_id == cutover.run_id)
