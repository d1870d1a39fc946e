"""What a served model takes and gives: the features of a FeatureService, by name, order and type; one answer a row."""

from collections.abc import Mapping

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from steps.training.dataset import DTYPES
from steps.training.served_model import REFUSE, UNKNOWN_CATEGORIES

ANSWER = Schema(
    [
        ColSpec(DataType.long, "prediction"),
        ColSpec(DataType.double, "probability"),
        *(ColSpec(DataType.string, name) for name in ("model_name", "model_version", "run_id", "feature_service")),
        ColSpec(DataType.string, "calibration"),
        ColSpec(DataType.double, "threshold"),
    ]
)
# refuse: an error names row, feature and value; mark: the row's answer does, and the others are answered
OPTIONS = ParamSchema([ParamSpec(UNKNOWN_CATEGORIES, DataType.string, REFUSE)])


def signature(types: Mapping[str, str]) -> ModelSignature:
    """types: Feast's type names, by feature, in the model's order."""
    inputs = Schema([ColSpec(DataType.from_numpy_type(np.dtype(DTYPES[kind])), name) for name, kind in types.items()])
    return ModelSignature(inputs=inputs, outputs=ANSWER, params=OPTIONS)


def difference(found: Schema, types: Mapping[str, str]) -> str | None:
    """How a model's inputs differ from the features; None when names, order and types are the same."""
    given = [(column.name, str(column.type)) for column in found.inputs]
    wanted = [(column.name, str(column.type)) for column in signature(types).inputs.inputs]
    if given == wanted:
        return None
    too_many = [name for name, kind in given if (name, kind) not in wanted]
    missing = [name for name, kind in wanted if (name, kind) not in given]
    if not too_many and not missing:
        return "in another order"
    return (
        f"without {', '.join(missing) or 'none'}, with {', '.join(map(str, too_many)) or 'none'} that it does not have"
    )
