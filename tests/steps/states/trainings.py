"""Trainings of few trees, and what they left."""

from pathlib import Path

import mlflow
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline

from steps import train
from steps.runs.entry_points import arguments
from steps.training.model.served_model import TRUSTED_TYPES
from tests.steps.states.database import last_run

MODELS = ("random_forest", "hist_gradient_boosting", "logistic_regression")
FEW = {"n_estimators": "8", "max_iter": "8"}


def quick(model: str, **changed: str) -> list[str]:
    """The arguments of a training of January that takes a moment."""
    return arguments("train", {"as_of": "2024-01-31", "model": model, **FEW, **changed})


def train_quickly(model: str, experiment: str, **changed: str) -> str:
    train.main(quick(model, **changed))
    return str(last_run("train", experiment).info.run_id)


def model_id(run_id: str) -> str:
    (output,) = mlflow.get_run(run_id).outputs.model_outputs
    return str(output.model_id)


def model_folder(run_id: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(f"models:/{model_id(run_id)}"))


def pipeline(run_id: str) -> Pipeline:
    (path,) = model_folder(run_id).rglob("pipeline.skops")
    return skops.io.load(path, trusted=TRUSTED_TYPES)


def rows(run_id: str) -> pd.DataFrame:
    """The dataset that a training was made from."""
    dataset_run = mlflow.get_run(run_id).data.tags["dataset_run_id"]
    return pd.read_parquet(mlflow.artifacts.download_artifacts(run_id=dataset_run, artifact_path="dataset.parquet"))
