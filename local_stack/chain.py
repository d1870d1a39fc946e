"""What has to be in place before the servers can serve: a month, and the chain run for it through `mlflow run`."""

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

from configuration import names, stages
from local_stack import processes
from local_stack.settings import ROOT, Settings, StackError
from rollout import loopback
from steps.month.digest import FILE_NAMES, LABELS, files_sha256, has_labels

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FIRST_MONTH = date(2024, 1, 31)  # month_000
EXPERIMENT = names.EXPERIMENT
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on runs, not on GenAI traces
ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Month:
    folder: Path
    as_of: date


def month_of(data: Path, as_of: str | None) -> Month:
    """The folder month_NNN of that day; month_000 when no day is given. Raises StackError."""
    day = _parse(as_of) if as_of else FIRST_MONTH
    number = (day.year - FIRST_MONTH.year) * 12 + day.month - FIRST_MONTH.month
    folder = data / f"month_{number:03d}"
    needed = [name for name in FILE_NAMES if name != LABELS or has_labels(folder)]  # labels may come later
    missing = [f"{name}.csv" for name in needed if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise StackError(
            f"{folder} is to hold the month of {day} and lacks {', '.join(missing)}. Give the data: DATA=DIR"
        )
    unreadable = [f"{name}.csv" for name in needed if not _can_be_read(folder / f"{name}.csv")]
    if unreadable:
        raise StackError(
            f"{', '.join(unreadable)} in {folder} cannot be read. Give this user the right to read: chmod a+r"
        )
    return Month(folder, day)


def _can_be_read(path: Path) -> bool:
    try:
        path.open("rb").close()
    except PermissionError:
        return False
    return True


def _parse(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise StackError(f"AS_OF={text!r} is not a date like {FIRST_MONTH}") from error
    last = calendar.monthrange(day.year, day.month)[1]
    if day.day != last or day < FIRST_MONTH:
        raise StackError(f"AS_OF={text!r}: a month is as of its last day, and month_000 is as of {FIRST_MONTH}")
    return day


def prepare_tracking(settings: Settings) -> str:
    """MLflow's tables, and the experiment with its artifacts below the state folder. Returns the experiment's id.

    Done before any other process asks: two that meet an empty database would both make the tables. An experiment that
    was deleted in the UI is restored, and that is said: no step could record anything, nor make another of its name.
    """
    client = _client(settings)
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        where = (settings.artifacts / EXPERIMENT).as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=where, tags=EXPERIMENT_TAGS))
    number = str(known.experiment_id)
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(number)
        print(
            f"  [WARNING] Experiment {EXPERIMENT} (id {number}) was deleted in MLflow, and no step records without it. "
            f"It is restored; to delete it again: mlflow experiments delete --experiment-id {number}",
            flush=True,
        )
    return number


def is_finished(settings: Settings, experiment: str, month: Month) -> bool:
    """True when a finished chain has these very files behind it."""
    conditions = {
        "attributes.status": "FINISHED",
        "tags.`streamflow.step`": "main",
        "tags.as_of": str(month.as_of),
        "tags.files_sha256": files_sha256(month.folder),
    }
    query = " and ".join(f"{name} = '{value}'" for name, value in conditions.items())
    return bool(_client(settings).search_runs([experiment], filter_string=query, max_results=1))


def production_version(settings: Settings) -> str | None:
    """Of several, the highest number: that is the one that serves."""
    there = _client(settings).search_model_versions(f"name='{names.MODEL_NAME}'")
    return next((str(version.version) for version in stages.in_stage(there, names.PRODUCTION)), None)


def _client(settings: Settings) -> "MlflowClient":
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    os.environ.update(
        {name: value for name, value in settings.exported().items() if name.lstrip("_").startswith("MLFLOW_")}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own models under SQLAlchemy 2.1
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - two seconds that `make status` need not wait

        return MlflowClient(settings.tracking_uri)


def mlflow_run(settings: Settings, arguments: list[str], keep_going: Callable[[], None]) -> None:
    """`mlflow run . …`, its output shown as it comes. Raises StackError when it fails."""
    command = [str(ROOT / "local_stack" / "bin" / "mlflow"), "run", ".", *arguments]
    print(f"  $ mlflow run . {' '.join(arguments)}", flush=True)
    process = subprocess.Popen(  # noqa: S603 - our own launcher
        command, env=settings.child_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while process.poll() is None:
            keep_going()
            time.sleep(POLL_S)
    except BaseException:
        processes.end(psutil.Process(process.pid), signal.SIGINT)  # MLflow closes its run on SIGINT
        raise
    if process.returncode:
        raise StackError(f"mlflow run . {' '.join(arguments)} failed; its messages are above")


def example_answer(settings: Settings, users: Iterable[str]) -> dict[str, Any]:
    """The gateway's answer for the first of these users whom it knows. Raises StackError when there is none."""
    address, reason = f"{settings.address('GATEWAY_PORT')}/predict", "no month has a user with all features"
    for user_id in users:
        try:
            answer = loopback.post(address, {"user_id": user_id}, ANSWER_TIMEOUT_S)
        except requests.RequestException as error:
            raise StackError(f"the gateway does not answer: {error}") from error
        if answer.ok:
            found: dict[str, Any] = answer.json()
            body = json.dumps({"user_id": user_id})
            print(f"  $ curl -X POST {address} -H 'Content-Type: application/json' -d '{body}'", flush=True)
            return found
        reason = f"user {user_id}: {answer.status_code} {answer.text.strip()}"
    raise StackError(reason)
