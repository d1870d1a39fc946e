"""What a finished training was made from: its dataset, on the two sides of its split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from configuration import names
from steps.cli.errors import DatasetMismatch
from steps.registry import versions
from steps.training import dataset_runs
from steps.training.split import Split, SplitRule, split

SPLIT_BEFORE: SplitRule = "random"  # trainings from before the split had a name


@dataclass(frozen=True)
class TrainingSet:
    parts: Split
    facts: Mapping[str, Any]  # of the dataset: as_of, feature_service, types, …

    @property
    def trained_users(self) -> frozenset[str]:
        """The users whose rows the model was fitted to: no figure on them is evidence of quality."""
        return frozenset(self.parts.train["user_id"])


def training_set(training: Run) -> TrainingSet:
    """Raises DatasetMismatch when the dataset is not, to the last bit, the one that the training names, and
    TrackingUnavailable when that could not be found out."""
    run_id, sha256 = training.data.tags.get(names.DATASET_RUN_TAG), training.data.tags.get(names.DATASET_SHA256_TAG)
    if not run_id:
        raise DatasetMismatch("the training names no dataset run")
    try:
        rows, facts = dataset_runs.read(run_id)
    except (MlflowException, OSError, ValueError, KeyError) as error:
        versions.look_up(lambda: MlflowClient().get_run(run_id))  # is it the dataset, or MLflow?
        raise DatasetMismatch(f"the dataset of run {run_id} cannot be read: {error}") from error
    if facts["dataset_sha256"] != sha256:
        raise DatasetMismatch(f"the training names dataset sha256 {sha256}, run {run_id} has {facts['dataset_sha256']}")
    return TrainingSet(split(rows, split_rule(training)), facts)


def split_rule(training: Run) -> SplitRule:
    return "user" if training.data.params.get("split", SPLIT_BEFORE) == "user" else "random"
