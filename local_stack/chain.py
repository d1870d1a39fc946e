"""What has to be in place before the servers can serve: a month, and the chain run for it through `mlflow run`."""

import calendar
import json
import logging
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from local_stack import processes
from local_stack.settings import ROOT, Settings, StackError
from steps.month_digest import FILE_NAMES, files_sha256

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FIRST_MONTH = date(2024, 1, 31)  # month_000
EXPERIMENT, MODEL = "streamflow", "streamflow_churn"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on runs, not on GenAI traces
ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Month:
    folder: Path
    as_of: date

    def first_user(self) -> str:
        with (self.folder / "users.csv").open() as file:
            file.readline()
            return file.readline().split(",")[0]


def month_of(data: Path, as_of: str | None) -> Month:
    """The folder month_NNN of that day; month_000 when no day is given. Raises StackError."""
    day = _parse(as_of) if as_of else FIRST_MONTH
    number = (day.year - FIRST_MONTH.year) * 12 + day.month - FIRST_MONTH.month
    folder = data / f"month_{number:03d}"
    missing = [f"{name}.csv" for name in FILE_NAMES if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise StackError(
            f"{folder} is to hold the month of {day} and lacks {', '.join(missing)}. Give the data: DATA=DIR"
        )
    return Month(folder, day)


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

    Done before any other process asks: two that meet an empty database would both make the tables.
    """
    client = _client(settings)
    known = client.get_experiment_by_name(EXPERIMENT)
    if known:
        return str(known.experiment_id)
    where = (settings.artifacts / EXPERIMENT).as_uri()
    return str(client.create_experiment(EXPERIMENT, artifact_location=where, tags=EXPERIMENT_TAGS))


def is_done(settings: Settings, experiment: str, month: Month) -> bool:
    """True when a finished chain has these very files behind it, and some version is in Production."""
    conditions = {
        "attributes.status": "FINISHED",
        "tags.`streamflow.step`": "main",
        "tags.as_of": str(month.as_of),
        "tags.files_sha256": files_sha256(month.folder),
    }
    query = " and ".join(f"{name} = '{value}'" for name, value in conditions.items())
    found = _client(settings).search_runs([experiment], filter_string=query, max_results=1)
    return bool(found) and production_version(settings) is not None


def production_version(settings: Settings) -> str | None:
    there = _client(settings).search_model_versions(f"name='{MODEL}'")
    return next((str(version.version) for version in there if version.current_stage == "Production"), None)


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


def first_answer(settings: Settings, user_id: str) -> dict[str, Any]:
    address = f"{settings.address('GATEWAY_PORT')}/predict"
    answer = requests.post(address, json={"user_id": user_id}, timeout=ANSWER_TIMEOUT_S)
    if not answer.ok:
        raise StackError(f"The gateway answered {answer.status_code}: {answer.text}")
    found: dict[str, Any] = answer.json()
    print(f"  $ curl -X POST {address} -H 'Content-Type: application/json' -d '{json.dumps({'user_id': user_id})}'")
    return found
