"""Child runs of the active run, in this process: another step, or a part of this one."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from steps.runs import dead_runs, descriptions, entry_points, search, tracking


def run_step(step: str, values: Mapping[str, str]) -> Run:
    """Runs a step; MLproject has the other parameters. Returns its finished run.

    In this process: starting another one takes longer than most steps.
    """
    importlib.import_module(f"steps.{step}").main(entry_points.arguments(step, values))
    parent = mlflow.active_run().info
    return finished_children(parent.run_id, parent.experiment_id, step)[0]


def finished_children(run_id: str, experiment_id: str, step: str) -> list[Run]:
    """The run's finished children of a step that still have their artifacts, the newest first."""
    conditions = [search.FINISHED, tracking.WITH_ARTIFACTS, search.tagged(tracking.STEP_TAG, step)]
    return list(search.runs([*conditions, search.tagged(MLFLOW_PARENT_RUN_ID, run_id)], [experiment_id]))


@contextmanager
def part(kind: str, run_name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[None]:
    """A part of the step's work, such as a trial, with a run of its own: FINISHED, FAILED or KILLED like a step's.

    Raises TrackingUnavailable or DatabaseUnavailable.
    """
    parent = mlflow.active_run().info
    tags = {tracking.STEP_TAG: kind, **tags}
    try:
        run = mlflow.start_run(run_name=run_name, nested=True, experiment_id=parent.experiment_id, tags=tags)
    except MlflowException as error:
        raise tracking.translated(error) from error
    with (
        tracking.held(run) as place,
        descriptions.killed_by_ctrl_c(run.info.run_id),
        run,
        descriptions.failure_described(),
    ):
        mlflow.set_tag(dead_runs.HELD_TAG, place)
        mlflow.log_params(dict(params))
        yield
