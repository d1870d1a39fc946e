"""Runs the chain for a month through `mlflow run`, before the servers can serve."""

import calendar
import json
import logging
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from configuration import mlflow_ui, names, stages
from configuration.months import FIRST_MONTH, number_of
from local_stack import processes
from local_stack.settings import ROOT, Settings, StackError
from rollout import loopback
from steps.month.digest import FILE_NAMES, LABELS, files_sha256, has_labels

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = names.EXPERIMENT
ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Month:
    folder: Path
    as_of: date


def month_of(data: Path, as_of: str | None) -> Month:
    """The folder month_NNN of the day `as_of`; month_000 if it is None. Raises StackError."""
    day = _parse(as_of) if as_of else FIRST_MONTH
    folder = data / f"month_{number_of(day):03d}"
    files = [name for name in FILE_NAMES if name != LABELS or has_labels(folder)]  # labels may come later
    missing = [f"{name}.csv" for name in files if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise StackError(
            f"{folder}, the month of {day}: missing {', '.join(missing)}. Name the folder with the months: DATA=DIR"
        )
    unreadable = [f"{name}.csv" for name in files if not _is_readable(folder / f"{name}.csv")]
    if unreadable:
        raise StackError(f"{', '.join(unreadable)} in {folder} cannot be read. Make them readable: chmod a+r")
    return Month(folder, day)


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except PermissionError:
        return False
    return True


def _parse(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise StackError(f"AS_OF={text!r}: must be a date like {FIRST_MONTH}") from error
    last = calendar.monthrange(day.year, day.month)[1]
    if day.day != last or day < FIRST_MONTH:
        raise StackError(f"AS_OF={text!r}: must be the last day of a month, {FIRST_MONTH} (month_000) or later")
    return day


def prepare_tracking(settings: Settings) -> str:
    """Create MLflow's tables and the experiment, with its artifacts below the state folder. Returns its id.

    Runs before any other client: two clients of an empty database would both create the tables. An experiment that was
    deleted in the UI is restored with a warning: steps could neither record in it nor create another of its name.
    """
    client = _client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        location = (settings.artifacts / EXPERIMENT).as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=location, tags=mlflow_ui.EXPERIMENT_TAGS))
    number = str(experiment.experiment_id)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(number)
        print(
            f"  [WARNING] Experiment {EXPERIMENT} (id {number}) was deleted in MLflow; the steps need it, so it "
            f"is restored. To delete it again: mlflow experiments delete --experiment-id {number}",
            flush=True,
        )
    for name, value in mlflow_ui.missing_tags(experiment.tags).items():
        client.set_experiment_tag(number, name, value)
    return number


def create_tables(settings: Settings) -> None:
    """MLflow's, where they are missing: MLflow creates them when a store is opened."""
    _client(settings).search_experiments(max_results=1)


def is_finished(settings: Settings, experiment: str, month: Month) -> bool:
    """True if a chain has finished for exactly these files."""
    return bool(_client(settings).search_runs([experiment], filter_string=finished_runs(month), max_results=1))


def finished_runs(month: Month) -> str:
    """MLflow's filter for finished chains of exactly these files."""
    conditions = {
        "attributes.status": "FINISHED",
        f"tags.`{names.STEP_TAG}`": "main",
        "tags.as_of": str(month.as_of),
        "tags.files_sha256": files_sha256(month.folder),
    }
    return " and ".join(f"{name} = '{value}'" for name, value in conditions.items())


def production_version(settings: Settings) -> str | None:
    """The version that serves: the highest number of those in Production."""
    versions = _client(settings).search_model_versions(f"name='{names.MODEL_NAME}'")
    return next((str(version.version) for version in stages.in_stage(versions, names.PRODUCTION)), None)


def _client(settings: Settings) -> "MlflowClient":
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    os.environ.update(
        {name: value for name, value in settings.exported().items() if name.lstrip("_").startswith("MLFLOW_")}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # caused by MLflow's table classes under SQLAlchemy 2.1
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes 2 s, which `make status` does not need

        return MlflowClient(settings.tracking_uri)


def mlflow_run(settings: Settings, arguments: list[str], on_poll: Callable[[], None]) -> None:
    """Run `mlflow run . …` and show its output; calls `on_poll` while it runs. Raises StackError if it fails."""
    command = [str(ROOT / "local_stack" / "bin" / "mlflow"), "run", ".", *arguments]
    print(f"  $ mlflow run . {' '.join(arguments)}", flush=True)
    process = subprocess.Popen(  # noqa: S603 - our own launcher
        command, env=settings.child_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while process.poll() is None:
            on_poll()
            time.sleep(POLL_S)
    except BaseException:
        processes.end(psutil.Process(process.pid), signal.SIGINT)  # MLflow closes its run on SIGINT
        raise
    if process.returncode:
        ended = "was stopped by a rule" if process.returncode == names.STOPPED else "failed"
        raise StackError(f"mlflow run . {' '.join(arguments)} {ended}; its messages are above")


def example_answer(settings: Settings, users: Iterable[str]) -> dict[str, Any]:
    """The gateway's answer for the first user that it can score. Raises StackError if there is none."""
    address, reason = f"{settings.address('GATEWAY_PORT')}/predict", "no loaded month has a user with all features"
    for user_id in users:
        try:
            answer = loopback.post(address, {"user_id": user_id}, ANSWER_TIMEOUT_S)
        except requests.RequestException as error:
            raise StackError(f"the gateway does not answer: {error}") from error
        if answer.ok:
            prediction: dict[str, Any] = answer.json()
            body = json.dumps({"user_id": user_id})
            print(f"  $ curl -X POST {address} -H 'Content-Type: application/json' -d '{body}'", flush=True)
            return prediction
        reason = f"user {user_id}: {answer.status_code} {answer.text.strip()}"
    raise StackError(reason)
