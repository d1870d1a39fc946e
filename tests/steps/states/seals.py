"""Seals of models that a test has logged by hand."""

import mlflow

from configuration import names
from sealing.statement import Verdict
from steps.registry import seals, versions


def seal_as_stored(model_id: str, run_id: str) -> None:
    """Seals the logged model as `train` does, with its files as they are."""
    tags = mlflow.get_run(run_id).data.tags
    service, sha256 = (tags.get(name, "") for name in (names.FEATURE_SERVICE_TAG, names.DATASET_SHA256_TAG))
    seals.seal_model(model_id, run_id, service, sha256, check=lambda _folder: None)


def judge(number: str, status: str, reason: str = "it was judged by a test", lasting: str = "") -> None:
    """Seals the version with a verdict, and tags it."""
    seals.seal_verdict(versions.get(number), Verdict(status, reason, lasting or status), None)
    versions.tag(number, {"gate_reason": reason, "gate": status})
