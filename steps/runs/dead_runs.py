"""Runs whose process was killed stay RUNNING for ever; whoever runs a step next closes them.

A step holds a lock of PostgreSQL, keyed by its run's id, for as long as its process lives, and notes on the run where
the lock is kept. So a run is dead when it is RUNNING and its lock is free, and a live one is never taken for dead.
"""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_ENTRY_POINT, MLFLOW_RUN_NOTE

from steps import warehouse
from steps.cli import console
from steps.cli.errors import DatabaseUnavailable
from steps.runs import entry_points

HELD_TAG = "streamflow.held_in"
# `mlflow run` makes the run, then its environment, then starts the step. A step that starts later opens its run again.
TIME_TO_START = timedelta(minutes=5)
# A lock that is kept in another database (of a backup that was read back, of a second stack) says nothing here.
LONGEST_STEP = timedelta(days=1)


def close_dead(own: str) -> list[str]:
    """Ends as FAILED, with a description that says so, each dead run of our steps but `own`. Returns their ids.

    Says what it closed. A store or database that fails meanwhile ends the look, not the step.
    """
    closed: list[Run] = []
    with contextlib.suppress(MlflowException, DatabaseUnavailable):  # the next run looks again
        for run in _running():
            if run.info.run_id != own and _close_if_dead(run):
                closed.append(run)
    if closed:
        names = ", ".join(f"{run.info.run_name} ({run.info.run_id})" for run in closed)
        console.say(f"  closed as FAILED, for their processes are gone: {names}")
    return [str(run.info.run_id) for run in closed]


def _running() -> Sequence[Run]:
    client, ours = MlflowClient(), entry_points.names()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, filter_string="attributes.status = 'RUNNING'")
    return [run for run in found if run.data.tags.get(MLFLOW_PROJECT_ENTRY_POINT) in ours or HELD_TAG in run.data.tags]


def _close_if_dead(run: Run) -> bool:
    with warehouse.run_if_free(run.info.run_id) as place:
        client = MlflowClient()
        # what was RUNNING when it was looked for may have ended well since
        now = client.get_run(run.info.run_id)
        if place is None or now.info.status != "RUNNING" or not _is_dead(now, place):
            return False
        client.set_tag(run.info.run_id, MLFLOW_RUN_NOTE, _explained(now))
        client.set_terminated(run.info.run_id, "FAILED")
        return True


def _is_dead(run: Run, place: str) -> bool:
    """Of a run whose lock nobody holds at `place`."""
    held = run.data.tags.get(HELD_TAG)
    age = datetime.now(UTC) - datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    if held == place:
        return True
    return age > (TIME_TO_START if held is None else LONGEST_STEP)


def _explained(run: Run) -> str:
    what = "Its process ended" if HELD_TAG in run.data.tags else "Its step never started"
    before = run.data.tags.get(MLFLOW_RUN_NOTE)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z"
    line = f"[FAILED] {what} without a word (killed, or the machine went down); closed {now} by the next run"
    return f"{line}\n\n{before}" if before else line
