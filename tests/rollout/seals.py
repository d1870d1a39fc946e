"""Seals of versions that a test made by hand, of any registered model."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

from rollout.registry import model_id_of
from sealing import files, keys, statement
from sealing.statement import Environment, Statement, Verdict
from steps import warehouse
from steps.cli.settings import Settings
from steps.warehouse import SealedObject

PASSED = Verdict("passed", "by the test", "passed")
REFUSED = Verdict("refused", "AUC 0.6 is below min_auc 0.7", "refused")
ENVIRONMENT = Environment("3.11.7", "a" * 64, "b" * 64)


def seal(name: str, number: str, verdict: Verdict | None = PASSED, dataset_sha256: str = "abc") -> None:
    """Seals the version with its files as they are, without the bytecode that MLflow may have uploaded with them."""
    version = MlflowClient().get_model_version(name, number)
    model_id, created = model_id_of(version), version.creation_timestamp
    run_id = MlflowClient().get_logged_model(model_id).source_run_id
    with tempfile.TemporaryDirectory() as folder:
        model = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=folder))
        files.remove_bytecode(model)
        sealed = files.digests(model)
    sealed_at = datetime.now(UTC).isoformat()
    stated = Statement(
        sealed, name, model_id, run_id, "churn_v1", dataset_sha256, ENVIRONMENT, sealed_at, number, created, verdict
    )
    warehouse.apply_schema()
    envelope = statement.sign(stated, keys.make_pair(Settings.from_env().private_seal_key))
    warehouse.record_seal(SealedObject(name, number, created, model_id), envelope)
