"""Datasets as MLflow runs: reused when made from the same data and code, built otherwise, verified when read."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from configuration import names
from steps import warehouse
from steps.cli import console
from steps.cli.disk import disk_full
from steps.cli.errors import DatasetMismatch, DatasetNotBuilt
from steps.cli.settings import LABEL, PROJECT_ROOT, let_children_use_this_python
from steps.runs import descriptions, search, tracking
from steps.training import dataset

AS_FIRST_KNOWN = "as first known"


def data_identity(as_of: date, labels_known_at: date | None) -> dict[str, str]:
    """Fingerprints of the snapshots and the labels that a dataset of the month is made from."""
    return {
        "month_fingerprint": warehouse.month_fingerprint(as_of),
        "labels_fingerprint": warehouse.labels_fingerprint(as_of, labels_known_at),
        "labels_known_at": str(labels_known_at or AS_FIRST_KNOWN),
    }


def find_or_build(as_of: date, feature_service: str, labels_known_at: date | None) -> str:
    """The run id of a finished build_dataset with the same data and the same code; runs one when there is none.

    Raises NoSnapshot, and DatasetNotBuilt when that run fails.
    """
    existing = find(as_of, feature_service, labels_known_at)
    if existing:
        console.say(f"  dataset: reusing run {existing}, same data and same code")
        return existing
    console.say("  dataset: no finished run with this data and code; building it")
    return _build(parameters(as_of, feature_service, labels_known_at))


def find(as_of: date, feature_service: str, labels_known_at: date | None) -> str | None:
    """The run id of a finished build_dataset with the same data and the same code. Raises NoSnapshot."""
    warehouse.require_month(as_of)
    warehouse.apply_schema()
    tags = {
        "as_of": str(as_of),
        "feature_service": feature_service,
        **data_identity(as_of, labels_known_at),
        tracking.CODE_TAG: tracking.code_version()[tracking.CODE_TAG],
    }
    newest = tracking.newest_run("build_dataset", tags)
    return str(newest.info.run_id) if newest else None


def parameters(as_of: date, feature_service: str, labels_known_at: date | None) -> dict[str, str]:
    """Of build_dataset."""
    known_at = str(labels_known_at or "")
    return {"as_of": str(as_of), "feature_service": feature_service, "labels_known_at": known_at}


def _build(values: Mapping[str, str]) -> str:
    let_children_use_this_python()
    experiment = mlflow.active_run().info.experiment_id  # the environment may name another one
    try:
        built = mlflow.projects.run(
            str(PROJECT_ROOT), "build_dataset", parameters=dict(values), env_manager="local", experiment_id=experiment
        )
    except ExecutionException as error:
        raise DatasetNotBuilt(f"build_dataset failed: {_reason_of_newest_child() or error}") from error
    return str(built.run_id)


def _reason_of_newest_child() -> str:
    """The error in the description of the active run's newest child; '' if it could not write one."""
    parent = mlflow.active_run().info
    children = search.runs([search.tagged(MLFLOW_PARENT_RUN_ID, parent.run_id)], [parent.experiment_id])
    return descriptions.text_of(children[0].data.tags).removeprefix(descriptions.ERROR) if children else ""


def read(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and facts (dataset.json) of a build_dataset run.

    Raises DatasetMismatch when they cannot be read or are not the recorded ones; TrackingUnavailable when MLflow does
    not answer, and DiskFull: then the dataset may be intact.
    """
    try:
        rows, facts = _fetch(run_id)
        recorded, as_of = facts["dataset_sha256"], facts["as_of"]
    except (MlflowException, OSError, ValueError, KeyError) as error:
        if full := disk_full(error):
            raise full from error
        search.find_run(run_id)  # raises if MLflow does not answer
        raise DatasetMismatch(f"the dataset of run {run_id} cannot be read: {error}") from error
    sha256 = dataset.sha256(rows)
    if sha256 != recorded:
        raise DatasetMismatch(
            f"dataset.parquet of run {run_id} has sha256 {sha256}, recorded was {recorded}. "
            f"Run: mlflow run . -e build_dataset -P as_of={as_of}"
        )
    return rows, {**facts, names.DATASET_RUN_TAG: run_id}


def _fetch(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    with tracking.scratch_folder() as scratch:
        folder = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="", dst_path=str(scratch)))
        return pd.read_parquet(folder / "dataset.parquet"), json.loads((folder / "dataset.json").read_text())


def load(run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """As read; also recorded as the active run's input."""
    rows, facts = read(run_id)
    # MLflow has no source type for proxied artifacts (mlflow-artifacts:/…); run and file name them wherever they are
    source = CodeDatasetSource({names.DATASET_RUN_TAG: run_id, "artifact": "dataset.parquet"})
    digest = facts["dataset_sha256"][:36]
    input_dataset = mlflow.data.from_pandas(
        rows, source=source, targets=LABEL, name=f"churn_{facts['as_of']}", digest=digest
    )
    mlflow.log_input(input_dataset, context="training")
    identity = {name: facts[name] for name in ("as_of", "feature_service", "dataset_sha256")}
    mlflow.set_tags({**identity, names.DATASET_RUN_TAG: run_id})
    return rows, facts
