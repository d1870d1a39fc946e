"""A fitted pipeline, logged as a model of the active run that `mlflow models serve` can serve."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline

from steps.runs import tracking
from steps.training.signature import signature

MODEL_ARTIFACT = "model"
SERVED_BY = Path(__file__).with_name("served_model.py")
# further code of the served model, by the artifact name that it reads
SERVING_CODE = {name: str(SERVED_BY.with_name(f"{name}.py")) for name in ("fast_path", "packed_forest")}
SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy")


def log(fitted: Pipeline, config: Mapping[str, Any], types: Mapping[str, str], example: pd.DataFrame) -> None:
    """config: features, feature_service, run_id, calibration and threshold; answers repeat all but the features.

    types: Feast's type names, by feature, in the model's order. example: one row, for the smoke test of a server.
    """
    with tracking.scratch_folder() as folder:
        path = folder / "pipeline.skops"
        skops.io.dump(fitted, path)
        mlflow.pyfunc.log_model(
            name=MODEL_ARTIFACT,
            python_model=str(SERVED_BY),
            artifacts={"pipeline": str(path), **SERVING_CODE},
            model_config=dict(config),
            signature=signature(types),
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in SERVING_PACKAGES],
        )
