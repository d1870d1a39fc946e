"""From a version to its files, and every way in which a link can be broken."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from steps import build_dataset, ingest, lineage, register
from steps.entry_points import arguments
from steps.errors import NoSuchVersion
from steps.settings import MODEL_NAME

from ..conftest import JANUARY
from .database import empty, last_run
from .lookalikes import lookalike
from .trainings import train_quickly


@pytest.fixture(scope="module")
def training(trainings: dict[str, str], tracking: str, sample_months: Path) -> str:
    """Of a January that is loaded and stays so."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"}))
    return train_quickly("logistic_regression", tracking)


@pytest.fixture
def walk(empty_registry: None, training: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Registers a training and prints its lineage; returns what is said of each link, and the last line as `end`."""

    def run(run_id: str = training, version: str = "") -> dict[str, str]:
        register.main(arguments("register", {"run_id": run_id, "force": "true"}))
        capsys.readouterr()
        lineage.main(arguments("lineage", {"version": version}))
        title, *lines, end = capsys.readouterr().out.splitlines()
        return {"title": title, **dict(line.strip().split(maxsplit=1) for line in lines), "end": end}

    return run


Walk = Callable[..., dict[str, str]]


def test_the_chain_from_the_version_to_the_files(walk: Walk, training: str, tracking: str, sample_months: Path) -> None:
    said, tags = walk(), mlflow.get_run(training).data.tags
    figures = mlflow.get_run(training).data.metrics
    files = mlflow.get_run(tags["dataset_run_id"]).data.tags["files_sha256"]
    assert said["title"] == f"{MODEL_NAME} version 1, in Production"
    assert training in said["training"]
    assert said["figures"] == " ".join(f"{name}={figures[name]:.4f}" for name in ("AUC", "F1", "ACC"))
    assert said["dataset"] == f"run {tags['dataset_run_id']}, 300 rows, churn_v1 as of 2024-01-31"
    assert said["sha256"] == f"{tags['dataset_sha256']}, recomputed from dataset.parquet: the same"
    assert said["commit"] == f"{tags['streamflow.git_commit']}, as here"
    assert said["code"] == f"sha256 {tags['streamflow.code_sha256']}, as here"
    assert said["lock"] == f"sha256 {tags['streamflow.lock_sha256']}, as here"
    assert said["month"] == f"2024-01-31, files sha256 {files}, as in the warehouse"
    assert said["ingest"] == f"run {last_run('ingest', tracking).info.run_id}, from {sample_months / 'month_000'}"
    assert said["end"] == "[OK] Every link holds."


def test_the_chain_is_kept_with_the_run(walk: Walk, tracking: str) -> None:
    said = walk(version="1")
    kept = mlflow.artifacts.load_text(f"runs:/{last_run('lineage', tracking).info.run_id}/lineage.txt")
    assert kept.splitlines()[0] == said["title"]


def test_a_damaged_dataset_is_a_broken_link(walk: Walk, training: str) -> None:
    walk()
    run = mlflow.get_run(mlflow.get_run(training).data.tags["dataset_run_id"])
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "dataset.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    try:
        said = walk(version="1")
    finally:
        path.write_bytes(whole)
    assert said["dataset"].startswith(f"BROKEN: run {run.info.run_id}: ")
    assert said["end"] == "[BROKEN] Look at: dataset."


def test_a_month_that_was_loaded_anew_with_other_files_is_said(walk: Walk, training: str, sample_months: Path) -> None:
    walk()
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_001"), "as_of": str(JANUARY)}))
    try:
        said = walk(version="1")
    finally:
        ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    assert said["month"].endswith(", loaded anew since")
    assert said["end"] == "[OK] Every link holds."


MISSING = {
    "a dataset that is gone": ({"dataset_run_id": "f" * 32}, "dataset", f"no run {'f' * 32}"),
    "another dataset": ({"dataset_sha256": "0" * 64}, "sha256", f"{'0' * 64}, recomputed from dataset.parquet: "),
}


@pytest.mark.parametrize(("tags", "link", "said"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(walk: Walk, training: str, tags: dict[str, str], link: str, said: str) -> None:
    found = walk(lookalike(training, tags=tags), version="1")
    assert found[link].startswith(f"BROKEN: {said}")
    assert link in found["end"]


def test_a_training_that_was_deleted_is_named(walk: Walk, training: str) -> None:
    copy = lookalike(training)
    walk(copy)
    MlflowClient().delete_run(copy)
    said = walk(version="1")
    assert said["training"] == f"BROKEN: run {copy} was deleted"


def test_a_version_that_was_never_made_by_register_has_a_broken_chain(
    empty_registry: None, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = MlflowClient()
    client.create_registered_model(MODEL_NAME)
    client.create_model_version(MODEL_NAME, "file:///nowhere")
    lineage.main(arguments("lineage", {"version": "1"}))
    out = capsys.readouterr().out
    assert f"{MODEL_NAME} version 1, in no stage" in out
    assert "gate      none: made before there was one" in out
    assert "BROKEN: no run" in out


def test_nothing_in_production_and_an_unknown_version_are_named(empty_registry: None, tracking: str) -> None:
    with pytest.raises(NoSuchVersion, match=r"Nothing is in Production\. Give a version"):
        lineage.main(arguments("lineage", {}))
    with pytest.raises(NoSuchVersion, match=r"has no version 5\. There are: none"):
        lineage.main(arguments("lineage", {"version": "5"}))
