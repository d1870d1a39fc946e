"""Datasets as MLflow runs: found where the same data and code made one, built where not, checked when read."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource

from configuration import names
from steps import warehouse
from steps.cli import console
from steps.cli.errors import DatasetMismatch
from steps.cli.settings import LABEL, PROJECT_ROOT, let_children_use_this_python
from steps.runs import tracking
from steps.training import dataset

AS_FIRST_KNOWN = "as first known"


def data_identity(as_of: date, labels_known_at: date | None) -> dict[str, str]:
    """The snapshots and the labels that a dataset of the month is made from, each as one value."""
    return {
        "month_fingerprint": warehouse.month_fingerprint(as_of),
        "labels_fingerprint": warehouse.labels_fingerprint(as_of, labels_known_at),
        "labels_known_at": str(labels_known_at or AS_FIRST_KNOWN),
    }


def find_or_build(as_of: date, feature_service: str, labels_known_at: date | None) -> str:
    """The run id of a finished build_dataset with the same data and the same code; builds one when there is none."""
    warehouse.require_month(as_of)
    warehouse.apply_schema()
    wanted = {
        "as_of": str(as_of),
        "feature_service": feature_service,
        **data_identity(as_of, labels_known_at),
        tracking.CODE_TAG: tracking.code_version()[tracking.CODE_TAG],
    }
    found = tracking.newest_run("build_dataset", wanted)
    if found:
        console.say(f"  dataset: reusing run {found.info.run_id}, same data and same code")
        return str(found.info.run_id)
    console.say("  dataset: no finished run with this data and code; building it")
    given = {
        "as_of": str(as_of),
        "feature_service": feature_service,
        "labels_known_at": str(labels_known_at or ""),
    }
    let_children_use_this_python()
    here = mlflow.active_run().info.experiment_id  # not the one of the environment, which may be another
    built = mlflow.projects.run(
        str(PROJECT_ROOT), "build_dataset", parameters=given, env_manager="local", experiment_id=here
    )
    return str(built.run_id)


def read(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and facts of a build_dataset run. Raises DatasetMismatch when the rows are not the ones it recorded."""
    with tracking.scratch_folder() as scratch:
        fetched = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="", dst_path=str(scratch))
        rows = pd.read_parquet(Path(fetched) / "dataset.parquet")
        facts = json.loads((Path(fetched) / "dataset.json").read_text())
    found = dataset.sha256(rows)
    if found != facts["dataset_sha256"]:
        raise DatasetMismatch(
            f"dataset.parquet of run {run_id} has sha256 {found}, recorded was {facts['dataset_sha256']}. "
            f"Run: mlflow run . -e build_dataset -P as_of={facts['as_of']}"
        )
    return rows, {**facts, names.DATASET_RUN_TAG: run_id}


def load(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The same, recorded as what the active run was made from."""
    rows, facts = read(run_id)
    # MLflow knows no source for proxied artifacts (mlflow-artifacts:/…); run and file say the same wherever they are
    source = CodeDatasetSource({names.DATASET_RUN_TAG: run_id, "artifact": "dataset.parquet"})
    digest = facts["dataset_sha256"][:36]
    named = mlflow.data.from_pandas(rows, source=source, targets=LABEL, name=f"churn_{facts['as_of']}", digest=digest)
    mlflow.log_input(named, context="training")
    identity = {name: facts[name] for name in ("as_of", "feature_service", "dataset_sha256")}
    mlflow.set_tags({**identity, names.DATASET_RUN_TAG: run_id})
    return rows, facts
