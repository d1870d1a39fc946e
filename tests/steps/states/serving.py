"""Versions of a file that is no model, and cutovers, for tests that need nothing else of them."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlflow.tracking import MlflowClient

from configuration import names
from steps import warehouse
from steps.cli.settings import MODEL_NAME
from steps.registry import seals
from steps.registry.versions import put_in_stage
from steps.warehouse import Cutover
from tests.steps.states.seals import judge

MORNING = datetime(2024, 2, 1, 8, tzinfo=UTC)


def make_versions(count: int, gate: str | None = "passed", first_run: int = 1) -> None:
    """Numbered from 1, in no stage, of the runs that `served` names, with one verdict for all."""
    client = MlflowClient()
    client.create_registered_model(MODEL_NAME)
    for number in range(first_run, first_run + count):
        source = Path(tempfile.mkdtemp(prefix="version-"))
        (source / "MLmodel").write_text(f"# of run {number}")
        version = client.create_model_version(MODEL_NAME, source.as_uri(), run_id=f"{number}" * 32)
        seals.accept(version)
        if gate:
            judge(str(version.version), gate)


def served(*versions: str | None) -> list[Cutover]:
    """One after the other for an hour each, as the watcher writes it; the last is in Production."""
    before: str | None = None
    for hour, version in enumerate(versions):
        run = f"{version}" * 32 if version else None
        sha256 = f"{version}" * 64 if version else None
        cutover = Cutover(MORNING + timedelta(hours=hour), version, run, sha256, before, "promotion")
        warehouse.record_cutover(MODEL_NAME, cutover)
        before = version
    if before is not None:
        put_in_stage(before, names.PRODUCTION)
    return warehouse.cutovers(MODEL_NAME)


def in_production() -> list[str]:
    versions = MlflowClient().search_model_versions(f"name='{MODEL_NAME}'")
    return [str(version.version) for version in versions if version.current_stage == "Production"]


def alias() -> str:
    return str(MlflowClient().get_model_version_by_alias(MODEL_NAME, "Production").version)
