"""A user's id in MLflow's runs: in descriptions, which repeat error messages, and as a parameter of erase_user."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import date

import mlflow
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from steps.cleanup.user_text import Subject, Trace
from steps.cli.errors import TrackingUnavailable
from steps.runs import tracking
from steps.runs.search import first_line

PAGE = 1000
PARAMETER = "user_id"
OPEN = {"RUNNING", "SCHEDULED"}


def all_runs() -> Iterator[Run]:
    """Of all programs, deleted ones too. Raises TrackingUnavailable."""
    client, token = MlflowClient(), None
    try:
        experiments = [experiment.experiment_id for experiment in client.search_experiments(view_type=ViewType.ALL)]
        while True:
            page = client.search_runs(experiments, "", ViewType.ALL, PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return
    except MlflowException as error:
        raise TrackingUnavailable(f"MLflow does not answer: {first_line(error)}. Try again") from error


def forget_parameter(run: Run, name: str) -> bool:
    """Deletes the parameter of a run from the tracking database. False where only its server is reached: MLflow's
    interface cannot."""
    store = _get_store()
    if not hasattr(store, "engine"):
        return False
    from mlflow.store.tracking.dbmodels.models import SqlParam  # noqa: PLC0415 - loads SQLAlchemy's tables

    with store.ManagedSessionMaker() as session:
        session.query(SqlParam).filter(SqlParam.run_uuid == run.info.run_id, SqlParam.key == name).delete()
    return True


def forget_own_parameter() -> list[Trace]:
    """Deletes the parameter that plain `mlflow run` has recorded in the active run, or lists it."""
    run = MlflowClient().get_run(mlflow.active_run().info.run_id)
    if PARAMETER not in run.data.params or forget_parameter(run, PARAMETER):
        return []
    return [Trace(f"parameter {PARAMETER} of this run", 1, _gc(run.info.run_id))]


def mark_datasets(run_ids: Sequence[str], day: date) -> None:
    """Tags the dataset runs with a user who was erased: lineage tells why their files are gone once they are."""
    for run_id in run_ids:
        run = MlflowClient().get_run(run_id)
        if tracking.ERASED_TAG not in run.data.tags and run.info.lifecycle_stage == "active":
            MlflowClient().set_tag(run_id, tracking.ERASED_TAG, str(day))


def _gc(run_id: str) -> str:
    return f"mlflow runs delete --run-id {run_id}, then mlflow gc --run-ids {run_id}"


def erase(subject: Subject, *, apply: bool) -> list[Trace]:
    """Without apply it only counts. Raises TrackingUnavailable."""
    own = mlflow.active_run().info.run_id
    return [
        trace
        for run in all_runs()
        if run.info.run_id != own
        for trace in (*_running(run), *_description(run, subject, apply=apply), *_parameter(run, subject, apply=apply))
    ]


def _running(run: Run) -> list[Trace]:
    if run.info.status not in OPEN:
        return []
    return [Trace(f"run {run.info.run_id}, which has not ended", 0, "it may write more: run erase_user again after it")]


def _description(run: Run, subject: Subject, *, apply: bool) -> list[Trace]:
    text = run.data.tags.get(MLFLOW_RUN_NOTE, "")
    if not subject.is_in(text):
        return []
    place, is_active = f"description of run {run.info.run_id}", run.info.lifecycle_stage == "active"
    if apply and is_active:
        MlflowClient().set_tag(run.info.run_id, MLFLOW_RUN_NOTE, subject.without(text))
    return [Trace(place, 1, "" if is_active else f"mlflow gc --run-ids {run.info.run_id}")]


def _parameter(run: Run, subject: Subject, *, apply: bool) -> list[Trace]:
    """Of a failed run that plain `mlflow run` has recorded."""
    if run.data.params.get(PARAMETER) not in (subject.user_id, shlex.quote(subject.user_id)):  # MLflow quotes it
        return []
    possible = forget_parameter(run, PARAMETER) if apply else hasattr(_get_store(), "engine")
    return [Trace(f"parameter {PARAMETER} of run {run.info.run_id}", 1, "" if possible else _gc(run.info.run_id))]
