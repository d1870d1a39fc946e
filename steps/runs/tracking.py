"""The step's MLflow run: the one of `mlflow run`, nested where main runs the step, or a new one."""

import hashlib
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from configuration import mlflow_ui, names
from steps import warehouse
from steps.cli.errors import ExperimentDeleted, StepError, TrackingUnavailable
from steps.cli.settings import PROJECT_ROOT, Settings
from steps.month.digest import file_sha256
from steps.runs import dead_runs, descriptions, inputs, search, successes
from steps.runs.private_files import private_files

STEP_TAG = names.STEP_TAG
CODE_TAG = "streamflow.code_sha256"
LOCK_TAG = "streamflow.lock_sha256"
COMMIT_TAG = "streamflow.git_commit"
PYTHON_TAG = "streamflow.python"
PRUNED_TAG = "streamflow.artifacts_pruned_at"  # the run's artifacts were deleted: see leftovers.py
WITH_ARTIFACTS = f"tags.`{PRUNED_TAG}` IS NULL"
ERASED_TAG = "streamflow.user_erased_on"  # of a dataset with a user who was erased later
CODE_FOLDERS = ("configuration", "sealing", "steps", "feature_repo", "feature_store")
GIT_TIMEOUT_S = 5
NO_COMMIT = "not a git checkout"


@contextmanager
def step_run(step: str, run_name: str, params: Mapping[str, Any]) -> Iterator[mlflow.ActiveRun]:
    """The step's run: FINISHED, FAILED or KILLED (by Ctrl-C) when the block ends, with a description of the failure.

    params: the step's arguments; those that `mlflow run` has logged stay, as does a name that a user set. Closes the
    RUNNING runs of killed processes first. Raises DatabaseUnavailable, TrackingUnavailable or ExperimentDeleted,
    without a long wait, when the run cannot be recorded.
    """
    warehouse.ping()  # the tracking database is on the same server, and MLflow would retry for minutes
    parent = mlflow.active_run()
    run = _started(parent)
    # the lock is released last: a free lock means that the run has ended or is dead
    with held(run) as place, descriptions.killed_by_ctrl_c(run.info.run_id), run, descriptions.failure_described():
        tags = {MLFLOW_RUN_NAME: descriptions.name_of(run, run_name), STEP_TAG: step, dead_runs.HELD_TAG: place}
        mlflow.set_tags({**tags, **code_version(), **inputs.take()})
        _log_missing_params(run, params)
        if parent is None:
            _open_as_training(run.info.experiment_id)
            dead_runs.close_dead(run.info.run_id)
        yield run
        successes.record(step, run.info.run_id)


def _started(parent: Run | None) -> mlflow.ActiveRun:
    """The run that `mlflow run` made for this process; else a new one, in its parent's experiment."""
    try:
        return mlflow.start_run(nested=parent is not None, experiment_id=parent.info.experiment_id if parent else None)
    except MlflowException as error:
        raise translated(error) from error


def translated(error: MlflowException) -> StepError:
    uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
    deleted = re.search(r"experiment (\d+) must be in the 'active' state", str(error))
    if deleted:
        name = MlflowClient().get_experiment(deleted[1]).name
        return ExperimentDeleted(
            f"The experiment {name!r} was deleted. Restore it: mlflow experiments restore --experiment-id {deleted[1]}"
        )
    if re.search(r"error code 40[13]\b", str(error)):
        return TrackingUnavailable(
            f"MLflow at {uri} needs a login. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    return TrackingUnavailable(f"MLflow's tracking store {uri} failed: {error}. Is the stack up? make up")


@contextmanager
def held(run: Run) -> Iterator[str]:
    try:
        stack = ExitStack()
        place = stack.enter_context(warehouse.run_held(run.info.run_id))
    except StepError:
        mlflow.end_run("FAILED")
        raise
    with stack, private_files():
        yield place


def _open_as_training(experiment_id: str) -> None:
    client = MlflowClient()
    for name, value in mlflow_ui.missing_tags(client.get_experiment(experiment_id).tags).items():
        client.set_experiment_tag(experiment_id, name, value)


def code_version() -> dict[str, str]:
    """Tags that name the code, the lock (sha256), the git commit (-dirty when files differ) and the Python."""
    return {
        CODE_TAG: _code_sha256(),
        LOCK_TAG: file_sha256(PROJECT_ROOT / "requirements.txt"),
        COMMIT_TAG: commit(),
        PYTHON_TAG: platform.python_version(),
    }


def code_identity() -> dict[str, str]:
    """Those that a result depends on: equal code may be committed anew."""
    return {name: value for name, value in code_version().items() if name != COMMIT_TAG}


@cache
def _code_sha256() -> str:
    paths = (path for folder in CODE_FOLDERS for path in (PROJECT_ROOT / folder).rglob("*"))
    files = sorted(path for path in paths if path.suffix in {".py", ".sql", ".yaml"})
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(PROJECT_ROOT).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


@cache
def commit() -> str:
    """The checkout's commit, or the one the image was built from."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return Settings.from_env().commit or NO_COMMIT


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT_ROOT), *arguments]
    return subprocess.run(  # noqa: S603 - fixed program, no shell
        command, capture_output=True, text=True, check=True, timeout=GIT_TIMEOUT_S
    ).stdout.strip()


def _log_missing_params(run: Run, params: Mapping[str, Any]) -> None:
    """`mlflow run` has logged the -P values as typed; MLflow refuses another spelling of a logged value."""
    logged = run.data.params
    mlflow.log_params({name: _as_typed(value) for name, value in params.items() if name not in logged})


def _as_typed(value: object) -> object:
    """As in -P: true, false, and nothing for None."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="streamflow-") as folder:
        yield Path(folder)


@contextmanager
def artifact_folder() -> Iterator[Path]:
    """A temporary folder, logged as the run's artifacts when the block ends without an error."""
    with scratch_folder() as folder:
        yield folder
        mlflow.log_artifacts(str(folder))


def newest_run(step: str, tags: Mapping[str, str]) -> Run | None:
    """The newest finished run of a step with all these tags, in the active run's experiment, with its artifacts.

    Raises TrackingUnavailable.
    """
    return _newest([mlflow.active_run().info.experiment_id], step, tags)


def searched(step: str, tags: Mapping[str, str]) -> str:
    """For the message after newest_run returned None: the searched experiment, and a run of another one, if any."""
    client = MlflowClient()
    experiment_name = client.get_experiment(mlflow.active_run().info.experiment_id).name
    run = _newest(None, step, tags)
    if run is None:
        return f"in experiment {experiment_name!r}, nor in another"
    other = client.get_experiment(run.info.experiment_id).name
    return f"in experiment {experiment_name!r}; experiment {other!r} has run {run.info.run_id}: add -P run_id=…"


def _newest(experiments: list[str] | None, step: str, tags: Mapping[str, str]) -> Run | None:
    equal = [search.tagged(name, value) for name, value in {STEP_TAG: step, **tags}.items()]
    runs = search.runs([search.FINISHED, WITH_ARTIFACTS, *equal], experiments)
    return runs[0] if runs else None
