"""The dataset of a finished training, divided by its split; and the users that a version was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from configuration import names
from steps.cli.errors import DatasetMismatch
from steps.registry import versions
from steps.training import dataset_runs
from steps.training.split import Split, SplitRule, split

DEFAULT_SPLIT: SplitRule = "random"  # of trainings from before the split was a parameter


@dataclass(frozen=True)
class TrainingSet:
    """parts: the dataset's rows, divided by split_rule. facts: dataset.json (as_of, feature_service, types, …)."""

    parts: Split
    split_rule: SplitRule
    facts: Mapping[str, Any]

    @property
    def trained_users(self) -> pa.Array:
        """The users of the rows that the model was fitted to: figures over them are no evidence of quality."""
        return pa.array(self.parts.train["user_id"], pa.string())

    @property
    def validation_features(self) -> pd.DataFrame:
        """One row per validation user, one column per feature, in the model's order."""
        return self.parts.validation[list(self.facts["types"])]


@dataclass(frozen=True)
class TrainedOn:
    """users: None where they are unknown; reason: why."""

    users: pa.Array | None
    reason: str = ""

    def contains(self, user_ids: pa.ChunkedArray) -> NDArray[np.bool_] | None:
        """True for each user in the training part; None when the training users are unknown."""
        if self.users is None:
            return None
        return np.asarray(pc.is_in(user_ids, value_set=self.users), dtype=np.bool_)


def training_set(training: Run) -> TrainingSet:
    """Raises DatasetMismatch when the dataset cannot be read or is not, to the last bit, the one that the training
    names; TrackingUnavailable when MLflow does not answer."""
    run_id, sha256 = training.data.tags.get(names.DATASET_RUN_TAG), training.data.tags.get(names.DATASET_SHA256_TAG)
    if not run_id:
        raise DatasetMismatch("the training names no dataset run")
    rows, facts = dataset_runs.read(run_id)
    if facts["dataset_sha256"] != sha256:
        raise DatasetMismatch(f"the training names dataset sha256 {sha256}, run {run_id} has {facts['dataset_sha256']}")
    rule = split_rule(training)
    return TrainingSet(split(rows, rule), rule, facts)


def split_rule(training: Run) -> SplitRule:
    return "user" if training.data.params.get("split", DEFAULT_SPLIT) == "user" else "random"


def trained_on(version: ModelVersion) -> TrainedOn:
    """From the run that logged the version's model and the dataset that it names. Raises TrackingUnavailable."""
    training = versions.training_of(version)
    if training is None:
        return TrainedOn(None, "its training run no longer exists")
    try:
        return TrainedOn(training_set(training).trained_users)
    except DatasetMismatch as error:
        return TrainedOn(None, str(error))
