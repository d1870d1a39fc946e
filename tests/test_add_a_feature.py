"""Follows docs/add-a-feature.md exactly, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from local_stack.settings import ROOT, Settings
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.sql import empty_registry_too
from tests.steps.states.database import last_run

PAGE = (ROOT / "docs" / "add-a-feature.md").read_text()
COPIED = (
    "configuration", "steps", "sealing", "feature_repo", "feature_store", "MLproject", "conda.yaml", "requirements.txt",
)  # fmt: skip


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """A copy of the project with the page's patch applied."""
    project = tmp_path / "project"
    project.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    [patch] = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    number = len(list((ROOT / "steps" / "warehouse" / "sql" / "migrations").glob("*.sql"))) + 1
    patch = patch.replace("NNNN", f"{number:04d}")
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=project, env=environment, check=True)
    return project


@pytest.fixture
def month(tmp_path: Path, sample_months: Path) -> Path:
    """January with the new column."""
    folder = shutil.copytree(sample_months / "month_000", tmp_path / "month_000")
    payments = pd.read_csv(folder / "payments_agg_90d.csv")
    payments.assign(late_payments_90d=payments.index % 4).to_csv(folder / "payments_agg_90d.csv", index=False)
    return folder


@pytest.fixture
def tables_removed(empty_warehouse: Settings) -> Iterator[None]:
    """Removes the patched project's tables and definitions after the test."""
    yield
    empty_registry_too()


def step(project: Path, name: str, parameters: dict[str, str]) -> str:
    """Runs a step of the copy; returns its output. Fails the test when the step fails."""
    command = [sys.executable, "-W", "ignore", "-m", f"steps.{name}", *arguments(name, parameters)]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_worked_example_works(patched: Path, month: Path, tables_removed: None, tracking: str) -> None:
    assert [line.split()[5] for line in re.findall(r"^\$ mlflow run \. .*$", PAGE, re.MULTILINE)][:3] == [
        "ingest", "materialize", "train",
    ]  # fmt: skip
    as_of = {"as_of": str(JANUARY)}
    step(patched, "ingest", {**as_of, "month_dir": str(month)})
    assert "6 views" in step(patched, "materialize", as_of)
    step(patched, "build_dataset", {**as_of, "feature_service": "churn_v3"})

    run = last_run("build_dataset", tracking)
    facts = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/dataset.json")
    assert list(facts["types"])[-1] == "late_payments_90d"
    assert (facts["rows"], facts["users_missing_features"]) == (300, 0)


def test_a_month_without_the_new_column_is_refused(
    patched: Path, sample_months: Path, tables_removed: None, tracking: str
) -> None:
    parameters = {"as_of": str(JANUARY), "month_dir": str(sample_months / "month_000")}
    with pytest.raises(AssertionError, match="late_payments_90d"):
        step(patched, "ingest", parameters)
