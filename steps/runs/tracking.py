"""The step's MLflow run: resumed where `mlflow run` made one, nested where main runs the step, new otherwise."""

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

from steps import warehouse
from steps.cli.errors import ExperimentDeleted, StepError, TrackingUnavailable
from steps.cli.settings import PROJECT_ROOT, Settings
from steps.runs import dead_runs, descriptions

STEP_TAG = "streamflow.step"
CODE_TAG = "streamflow.code_sha256"
LOCK_TAG = "streamflow.lock_sha256"
COMMIT_TAG = "streamflow.git_commit"
PYTHON_TAG = "streamflow.python"
PRUNED_TAG = "streamflow.artifacts_pruned_at"  # of a run whose artifacts were deleted: see leftovers.py
KIND_TAG = "mlflow.experimentKind"
CODE_FOLDERS = ("configuration", "steps", "feature_repo", "feature_store")
GIT_TIMEOUT_S = 5


@contextmanager
def step_run(step: str, run_name: str, params: Mapping[str, Any]) -> Iterator[mlflow.ActiveRun]:
    """A run that is FINISHED, FAILED or KILLED (by Ctrl-C) when the block is left, and says what happened.

    It keeps a name that somebody gave it. Runs that a killed process left RUNNING are closed on the way.
    Raises DatabaseUnavailable, TrackingUnavailable or ExperimentDeleted, without a long wait, when there is nowhere to
    record it.
    """
    warehouse.ping()  # the tracking database lives in the same server, and MLflow would retry for minutes
    above = mlflow.active_run()
    run = _started(above)
    # the lock goes last: whoever finds it free finds a run that has ended, or a dead one
    with _held(run) as place, descriptions.killed_by_ctrl_c(run.info.run_id), run, descriptions.failure_described():
        tags = {MLFLOW_RUN_NAME: descriptions.name_of(run, run_name), STEP_TAG: step, dead_runs.HELD_TAG: place}
        mlflow.set_tags({**tags, **code_version()})
        _log_missing_params(run, params)
        if above is None:
            _open_as_training(run.info.experiment_id)
            dead_runs.close_dead(run.info.run_id)
        yield run


def _started(above: Run | None) -> mlflow.ActiveRun:
    """The run that `mlflow run` made for this process; else a new one, in the experiment of the run above it."""
    try:
        return mlflow.start_run(nested=above is not None, experiment_id=above.info.experiment_id if above else None)
    except MlflowException as error:
        raise _translated(error) from error


def _translated(error: MlflowException) -> StepError:
    uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
    deleted = re.search(r"experiment (\d+) must be in the 'active' state", str(error))
    if deleted:
        name = MlflowClient().get_experiment(deleted[1]).name
        return ExperimentDeleted(
            f"The experiment {name!r} was deleted. Put it back: mlflow experiments restore --experiment-id {deleted[1]}"
        )
    if re.search(r"error code 40[13]\b", str(error)):
        return TrackingUnavailable(
            f"MLflow at {uri} wants a login. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    return TrackingUnavailable(f"MLflow's tracking store {uri} failed: {error}. Is the stack up? make up")


@contextmanager
def _held(run: Run) -> Iterator[str]:
    try:
        held = ExitStack()
        place = held.enter_context(warehouse.run_held(run.info.run_id))
    except StepError:
        mlflow.end_run("FAILED")
        raise
    with held:
        yield place


def _open_as_training(experiment_id: str) -> None:
    """MLflow's UI opens an experiment without this on traces of language models."""
    client = MlflowClient()
    if KIND_TAG not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, KIND_TAG, "custom_model_development")


def code_version() -> dict[str, str]:
    """Tags that name the code, the lock (sha256), the git commit (-dirty when files differ) and the Python."""
    return {
        CODE_TAG: _code_sha256(),
        LOCK_TAG: file_sha256(PROJECT_ROOT / "requirements.txt"),
        COMMIT_TAG: commit(),
        PYTHON_TAG: platform.python_version(),
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
    return _newest([mlflow.active_run().info.experiment_id], step, tags)


def where_looked(step: str, tags: Mapping[str, str]) -> str:
    """For the message that newest_run found nothing: the experiment it looked in, and a run of another one, if any."""
    client = MlflowClient()
    here = client.get_experiment(mlflow.active_run().info.experiment_id).name
    found = _newest([experiment.experiment_id for experiment in client.search_experiments()], step, tags)
    if found is None:
        return f"in experiment {here!r}, nor in another"
    there = client.get_experiment(found.info.experiment_id).name
    return f"in experiment {here!r}; in {there!r} there is run {found.info.run_id}: give -P run_id=…"


def _newest(experiments: list[str], step: str, tags: Mapping[str, str]) -> Run | None:
    conditions = {STEP_TAG: step, **tags}
    found = MlflowClient().search_runs(
        experiments,
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
