"""Versions to score with, and a finished run of `score`, opened."""

import contextlib
import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import ingest
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.states.database import empty, last_run
from tests.steps.states.trainings import model_id


class Outcome:
    def __init__(self, experiment: str) -> None:
        run = last_run("score", experiment)
        self.status, self.metrics, self.tags = run.info.status, run.data.metrics, run.data.tags
        self.folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=""))
        self.files = {path.name for path in self.folder.iterdir()}

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return facts

    @property
    def scores(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "scores.parquet")

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text()


def load_january(sample_months: Path) -> None:
    """Loads January into an empty warehouse."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))


def forget_versions() -> None:
    with contextlib.suppress(MlflowException):
        MlflowClient().delete_registered_model(MODEL_NAME)


def register(run_id: str, **tags: str) -> str:
    """A version of the run's model, made without the gate."""
    return str(mlflow.register_model(f"models:/{model_id(run_id)}", MODEL_NAME, tags=tags).version)
