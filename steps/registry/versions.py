"""Versions of the registered model: which one serves, and one of them opened, as it is served and as it was fitted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlflow
import pandas as pd
import skops.io
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient
from mlflow.types import Schema
from sklearn.pipeline import Pipeline

from configuration import names, stages
from steps.cli.errors import NoSuchVersion, TrackingUnavailable, UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.runs import tracking
from steps.training.served_model import TRUSTED_TYPES

THRESHOLD_BEFORE = 0.5  # of models from before the threshold was a parameter
MOST_CHARACTERS = 500  # of what somebody else's code says, in a tag and on a screen
NOT_THERE = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}

T = TypeVar("T")


@dataclass(frozen=True)
class Opened:
    """A version loaded as `mlflow models serve` loads it, and the pipeline that lies in it."""

    number: str
    tags: Mapping[str, str]
    served: Any  # mlflow's PyFuncModel
    pipeline: Pipeline | None
    example: pd.DataFrame | None

    @property
    def inputs(self) -> Schema | None:
        signature = self.served.metadata.signature
        return signature.inputs if signature else None

    @property
    def threshold(self) -> float:
        """Above which probability the version predicts that a user leaves."""
        return float((self.served.model_config or {}).get("threshold", THRESHOLD_BEFORE))

    @property
    def feature_service(self) -> str:
        """What the model itself was logged with; the version's tag, which others may set, where it does not say."""
        return str(
            (self.served.model_config or {}).get("feature_service") or self.tags.get(names.FEATURE_SERVICE_TAG, "")
        )

    def answers(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What /invocations would answer. Raises UnusableVersion when the model raises or answers something else."""
        try:
            found: pd.DataFrame = self.served.predict(rows)
            answers = found[["prediction", "probability", "model_version"]].set_axis(rows.index)
            answers = answers.astype({"probability": "float64"})
        except Exception as error:
            raise UnusableVersion(f"version {self.number} cannot score these rows: {_first_line(error)}") from error
        wrong = ~answers["probability"].between(0, 1)  # true of NaN too
        if wrong.any():
            raise UnusableVersion(f"version {self.number} answers no probability on {wrong.sum()} of {len(rows)} rows")
        return answers


def all_versions() -> list[ModelVersion]:
    """The highest number first. Raises TrackingUnavailable."""
    found = look_up(lambda: list(MlflowClient().search_model_versions(f"name='{MODEL_NAME}'"))) or []
    return sorted(found, key=lambda version: int(version.version), reverse=True)


def look_up(ask: Callable[[], T]) -> T | None:
    """What MLflow answers; None when it says that there is no such thing.

    Raises TrackingUnavailable when it could not say: a failed look-up is never told as a fact.
    """
    try:
        return ask()
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
        raise TrackingUnavailable(f"MLflow at {uri} could not be asked: {_first_line(error)}. Try again") from error


def in_stage(stage: str) -> list[ModelVersion]:
    """The highest number first: it is the one that models:/streamflow_churn/STAGE means."""
    return stages.in_stage(all_versions(), stage)


def get(number: str) -> ModelVersion:
    """Raises NoSuchVersion, naming those there are."""
    there = all_versions()
    for version in there:
        if str(version.version) == number:
            return version
    numbers = ", ".join(str(version.version) for version in there) or "none"
    raise NoSuchVersion(f"{MODEL_NAME} has no version {number}. There are: {numbers}")


def training_of(version: ModelVersion) -> Run | None:
    """The run that logged the version's model, from what MLflow itself recorded; None when it is not there any more.

    Not from the version's tags: a version that was registered with the UI's button has none.
    Raises TrackingUnavailable.
    """
    client = MlflowClient()
    run_id = version.run_id
    if not run_id and (model_id := _model_id(version)):
        logged = look_up(lambda: client.get_logged_model(model_id))
        run_id = logged.source_run_id if logged else None
    return look_up(lambda: client.get_run(run_id)) if run_id else None


def of_training(training: Run) -> list[ModelVersion]:
    """The versions made of the model that this run logged, the highest number first."""
    models = {str(output.model_id) for output in (training.outputs.model_outputs if training.outputs else [])}
    return [
        version for version in all_versions() if version.run_id == training.info.run_id or _model_id(version) in models
    ]


def _model_id(version: ModelVersion) -> str | None:
    """Of the logged model; a version of `models:/m-…` may name it in its source alone."""
    source = re.fullmatch(r"models:/(m-[0-9a-f]+)", version.source or "")
    return version.model_id or (source[1] if source else None)


def open_version(number: str) -> Opened:
    """Loads a version and leaves no copy of it behind.

    Raises UnusableVersion when it cannot be loaded, and TrackingUnavailable when the registry cannot even be asked.
    """
    with tracking.scratch_folder() as scratch:
        try:
            uri = f"models:/{MODEL_NAME}/{number}"
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(scratch)))
            served = mlflow.pyfunc.load_model(str(folder))
            example = served.metadata.load_input_example(str(folder))
            tags = MlflowClient().get_model_version(MODEL_NAME, number).tags
            return Opened(number, tags, served, _pipeline(folder), example)
        except Exception as error:
            look_up(lambda: MlflowClient().get_model_version(MODEL_NAME, number))  # is it the version, or MLflow?
            raise UnusableVersion(f"version {number} cannot be loaded: {_first_line(error)}") from error


def _pipeline(folder: Path) -> Pipeline | None:
    found = sorted(folder.rglob("pipeline.skops"))
    return skops.io.load(found[0], trusted=TRUSTED_TYPES) if found else None


def tag(number: str, tags: Mapping[str, str]) -> None:
    client = MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(MODEL_NAME, number, name, value)


def _first_line(error: Exception) -> str:
    message = error.message if isinstance(error, MlflowException) else str(error)
    return f"{type(error).__name__}: {(message.strip() or 'no message').splitlines()[0]}"[:MOST_CHARACTERS]


def serving() -> str | None:
    """The version that models:/streamflow_churn/Production means: the highest, where the UI has left two."""
    found = in_stage(names.PRODUCTION)
    return str(found[0].version) if found else None


def put_in_stage(number: str, stage: str) -> list[str]:
    """Moves the version; whoever else was in the stage is archived. Returns those, the lowest first."""
    before = [str(version.version) for version in in_stage(stage)]
    client = MlflowClient()
    client.transition_model_version_stage(MODEL_NAME, number, stage, archive_existing_versions=True)
    client.set_registered_model_alias(MODEL_NAME, stage, number)  # for the day stages go
    return sorted((version for version in before if version != number), key=int)
