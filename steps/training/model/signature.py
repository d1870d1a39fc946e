"""A served model's signature: the features of a FeatureService, by name, order and type, and one answer a row."""

from collections.abc import Mapping

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from steps.training.dataset import DTYPES
from steps.training.model.served_model import EXPLAIN, REFUSE, UNKNOWN_CATEGORIES

ANSWER = Schema(
    [
        ColSpec(DataType.long, "prediction"),
        ColSpec(DataType.double, "probability"),
        *(ColSpec(DataType.string, name) for name in ("model_name", "model_version", "run_id", "feature_service")),
        ColSpec(DataType.string, "calibration"),
        ColSpec(DataType.double, "threshold"),
    ]
)
# refuse: an error names row, feature and value; mark: that row's answer names them, the other rows are scored
# explain: the number of features in each row's reasons
OPTIONS = ParamSchema(
    [ParamSpec(UNKNOWN_CATEGORIES, DataType.string, REFUSE), ParamSpec(EXPLAIN, DataType.long, 0)],
)


def signature(types: Mapping[str, str]) -> ModelSignature:
    """types: Feast's type names, by feature, in the model's order."""
    inputs = Schema([ColSpec(DataType.from_numpy_type(np.dtype(DTYPES[kind])), name) for name, kind in types.items()])
    return ModelSignature(inputs=inputs, outputs=ANSWER, params=OPTIONS)


def difference(inputs: Schema, types: Mapping[str, str]) -> str | None:
    """The difference between a model's inputs and the features; None when names, order and types are the same."""
    actual = [(column.name, str(column.type)) for column in inputs.inputs]
    expected = [(column.name, str(column.type)) for column in signature(types).inputs.inputs]
    if actual == expected:
        return None
    unexpected = [name for name, kind in actual if (name, kind) not in expected]
    missing = [name for name, kind in expected if (name, kind) not in actual]
    if not unexpected and not missing:
        return "in another order"
    return f"missing: {', '.join(missing) or 'none'}; unexpected: {', '.join(map(str, unexpected)) or 'none'}"
