"""Which users a version was trained on: no figure over them is evidence of its quality."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from steps.cli.errors import DatasetMismatch
from steps.registry import training_sets, versions


@dataclass(frozen=True)
class TrainedOn:
    """users is None where they are unknown, and reason then says why."""

    users: frozenset[str] | None
    reason: str = ""

    def among(self, user_ids: pa.ChunkedArray) -> NDArray[np.bool_] | None:
        """Which of these were trained on; None when that is unknown."""
        if self.users is None:
            return None
        return np.asarray(pc.is_in(user_ids, value_set=pa.array(sorted(self.users), pa.string())), dtype=np.bool_)


def trained_on(version: ModelVersion) -> TrainedOn:
    """By the run that logged the version's model and the dataset it names. Raises TrackingUnavailable."""
    training = versions.training_of(version)
    if training is None:
        return TrainedOn(None, "the run that trained it does not exist any more")
    try:
        return TrainedOn(training_sets.training_set(training).trained_users)
    except DatasetMismatch as error:
        return TrainedOn(None, str(error))
