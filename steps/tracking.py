"""The step's MLflow run: resumed where `mlflow run` made one, nested where main runs the step, new otherwise."""

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import warehouse
from steps.errors import TrackingUnavailable
from steps.settings import PROJECT_ROOT, Settings

STEP_TAG = "streamflow.step"
CODE_TAG = "streamflow.code_sha256"
LOCK_TAG = "streamflow.lock_sha256"
COMMIT_TAG = "streamflow.git_commit"
PRUNED_TAG = "streamflow.artifacts_pruned_at"  # of a run whose artifacts were deleted: see leftovers.py
CODE_FOLDERS = ("steps", "feature_repo")
GIT_TIMEOUT_S = 5


@contextmanager
def step_run(step: str, run_name: str, params: Mapping[str, Any]) -> Iterator[mlflow.ActiveRun]:
    """A run that is FINISHED or FAILED when the block is left, whatever happened inside.

    Raises DatabaseUnavailable or TrackingUnavailable, without a long wait, when there is nowhere to record it.
    """
    warehouse.ping()  # the tracking database lives in the same server, and MLflow would retry for minutes
    try:
        run = mlflow.start_run(nested=mlflow.active_run() is not None)
    except MlflowException as error:
        uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
        raise TrackingUnavailable(f"MLflow's tracking store {uri} failed: {error}. Is the stack up? make up") from error
    with run:
        mlflow.set_tags({"mlflow.runName": run_name, STEP_TAG: step, **code_version()})
        _log_missing_params(run, params)
        yield run


def code_version() -> dict[str, str]:
    """Tags that name the code: sha256 of its files and of the lock; git commit, -dirty when files differ from it."""
    return {
        CODE_TAG: _code_sha256(),
        LOCK_TAG: file_sha256(PROJECT_ROOT / "requirements.txt"),
        COMMIT_TAG: commit(),
    }


@cache
def _code_sha256() -> str:
    files = sorted(
        path
        for folder in CODE_FOLDERS
        for path in (PROJECT_ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql", ".yaml"}
    )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(PROJECT_ROOT).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def commit() -> str:
    """The checkout's, where this is one; else the one that the image was built from."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return Settings.from_env().commit or "not a git checkout"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT_ROOT), *arguments]
    return subprocess.run(  # noqa: S603 - fixed program, no shell
        command, capture_output=True, text=True, check=True, timeout=GIT_TIMEOUT_S
    ).stdout.strip()


def _log_missing_params(run: Run, params: Mapping[str, Any]) -> None:
    """`mlflow run` has logged the -P values as they were typed; MLflow refuses a second spelling of the same value."""
    there = run.data.params
    mlflow.log_params({name: value for name, value in params.items() if name not in there})


@contextmanager
def scratch_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="streamflow-") as folder:
        yield Path(folder)


@contextmanager
def artifact_folder() -> Iterator[Path]:
    """A folder whose files become the run's artifacts when the block ends well."""
    with scratch_folder() as folder:
        yield folder
        mlflow.log_artifacts(str(folder))


def newest_run(step: str, tags: Mapping[str, str]) -> Run | None:
    """The newest finished run of a step, in the active run's experiment, that carries all these tags."""
    experiment = mlflow.active_run().info.experiment_id
    conditions = {STEP_TAG: step, **tags}
    found = MlflowClient().search_runs(
        [experiment],
        filter_string=" and ".join(
            [
                "attributes.status = 'FINISHED'",
                f"tags.`{PRUNED_TAG}` IS NULL",
                *(f"tags.`{name}` = '{value}'" for name, value in conditions.items()),
            ]
        ),
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return found[0] if found else None
