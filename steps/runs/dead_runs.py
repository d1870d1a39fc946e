"""Closes runs whose process was killed: otherwise they stay RUNNING. Every step does so at its start.

A step's process holds a PostgreSQL lock, keyed by its run's id, and tags the run with the lock's database. A RUNNING
run with a free lock is dead; a live run is never closed.
"""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_ENTRY_POINT, MLFLOW_RUN_NOTE

from configuration import names
from steps import warehouse
from steps.cli import console
from steps.cli.errors import DatabaseUnavailable, TrackingUnavailable
from steps.runs import entry_points, search

HELD_TAG = "streamflow.held_in"
# `mlflow run` creates the run, then its environment, then starts the step. A step that starts later reopens its run.
TIME_TO_START = timedelta(minutes=5)
# The lock of a run may be in another database (of a restored backup, of a second stack), where it cannot be checked.
LONGEST_STEP = timedelta(days=1)
MOST_RUNNING = 1000


def close_dead(own: str) -> list[str]:
    """Ends each dead run of the project's steps, except `own`, as FAILED with a description. Returns their ids.

    Prints them. An error of the store or database ends the search, not the step.
    """
    closed: list[Run] = []
    with contextlib.suppress(MlflowException, TrackingUnavailable, DatabaseUnavailable):  # the next run searches again
        for run in _running():
            if run.info.run_id != own and _close_if_dead(run):
                closed.append(run)
    if closed:
        names = ", ".join(f"{run.info.run_name} ({run.info.run_id})" for run in closed)
        console.say(f"  closed as FAILED, because their processes ended: {names}")
    return [str(run.info.run_id) for run in closed]


def _running() -> Sequence[Run]:
    steps = entry_points.names()
    running = search.runs(["attributes.status = 'RUNNING'"], limit=MOST_RUNNING)
    return [
        run
        for run in running
        if run.data.tags.get(MLFLOW_PROJECT_ENTRY_POINT) in steps or {HELD_TAG, names.STEP_TAG} & run.data.tags.keys()
    ]


def _close_if_dead(run: Run) -> bool:
    with warehouse.run_if_free(run.info.run_id) as place:
        client = MlflowClient()
        # it may have ended since the search
        now = client.get_run(run.info.run_id)
        if place is None or now.info.status != "RUNNING" or not _is_dead(now, place):
            return False
        client.set_tag(run.info.run_id, MLFLOW_RUN_NOTE, _explained(now))
        client.set_terminated(run.info.run_id, "FAILED")
        return True


def _is_dead(run: Run, place: str) -> bool:
    """For a run whose lock is free at `place`."""
    held = run.data.tags.get(HELD_TAG)
    age = datetime.now(UTC) - datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    if held == place:
        return True
    return age > (TIME_TO_START if held is None else LONGEST_STEP)


def _explained(run: Run) -> str:
    reason = "Its process ended" if HELD_TAG in run.data.tags else "Its step never started"
    before = run.data.tags.get(MLFLOW_RUN_NOTE)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z"
    line = f"[FAILED] {reason} unexpectedly (killed, or the machine went down); closed {now} by the next run"
    return f"{line}\n\n{before}" if before else line
