"""Finds and deletes the artifacts of runs of old months, unless a version, its training or a running run needs them.
Runs themselves stay, with their parameters and metrics.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from configuration import names
from steps.cli.errors import ArtifactsUnavailable
from steps.registry import versions
from steps.runs import search, tracking

KEPT_STEPS = ("ingest", "labels")  # a few lines each: the record of what was loaded
PAGE = 1000


@dataclass(frozen=True)
class Leftover:
    """A run with artifacts that can be deleted. bytes: their size."""

    run: Run
    month: date
    models: tuple[str, ...]  # ids of the models that the run logged
    bytes: int

    @property
    def step(self) -> str:
        return str(self.run.data.tags[tracking.STEP_TAG])


def leftovers(before: date) -> list[Leftover]:
    """The leftovers of months before that day, oldest first, without runs that have no artifacts left. Raises
    TrackingUnavailable, ArtifactsUnavailable."""
    runs = {run.info.run_id: run for run in _all_runs()}
    needed = _needed(runs)
    candidates = [_leftover(run) for run_id, run in runs.items() if run_id not in needed and _is_old(run, before)]
    return sorted((run for run in candidates if run.bytes), key=lambda run: (run.month, run.run.info.start_time))


def delete(leftover: Leftover) -> int:
    """Returns the freed bytes: 0 when a version was made of the run in the meantime. Tags the run first: no step uses
    it from then on, and after a kill the next call deletes the rest."""
    run_id = leftover.run.info.run_id
    if versions.of_training(leftover.run):
        return 0
    client, now = MlflowClient(), datetime.now(UTC).isoformat(timespec="seconds")
    client.set_tag(run_id, tracking.PRUNED_TAG, now)
    for model_id in leftover.models:
        client.set_logged_model_tags(model_id, {tracking.PRUNED_TAG: now})
    with _artifacts_of(run_id):
        for uri in _artifact_uris(leftover.run, leftover.models):
            get_artifact_repository(uri).delete_artifacts()
    return leftover.bytes


def _all_runs() -> Iterator[Run]:
    """The runs of steps in every experiment. `mlflow gc` is for deleted ones."""
    token: str | None = None
    while True:
        page = search.runs([], limit=PAGE, page_token=token)
        yield from (run for run in page if tracking.STEP_TAG in run.data.tags)
        token = page.token
        if not token:
            return


def _needed(runs: dict[str, Run]) -> set[str]:
    """Ids of the trainings of versions, of running runs, and of the dataset runs of both."""
    trainings = [training for version in versions.all_versions() if (training := versions.training_of(version))]
    running = [run for run in runs.values() if run.info.status in {"RUNNING", "SCHEDULED"}]
    users = [*trainings, *running]
    datasets = {run.data.tags[names.DATASET_RUN_TAG] for run in users if names.DATASET_RUN_TAG in run.data.tags}
    return {run.info.run_id for run in users} | datasets


def _is_old(run: Run, before: date) -> bool:
    month = _month(run)
    return month is not None and month < before and run.data.tags[tracking.STEP_TAG] not in KEPT_STEPS


def _month(run: Run) -> date | None:
    try:
        return date.fromisoformat(run.data.tags.get("as_of") or run.data.params.get("as_of") or "")
    except ValueError:
        return None  # a run without a month


def _leftover(run: Run) -> Leftover:
    outputs = run.outputs.model_outputs if run.outputs else []
    models = tuple(str(output.model_id) for output in outputs)
    with _artifacts_of(run.info.run_id):
        size = sum(_size(uri) for uri in _artifact_uris(run, models))
    return Leftover(run, _month(run) or date.max, models, size)


def _artifact_uris(run: Run, models: tuple[str, ...]) -> list[str]:
    """Of the run's models, then of the run."""
    client = MlflowClient()
    logged = [search.look_up(partial(client.get_logged_model, model)) for model in models]
    return [*(model.artifact_location for model in logged if model), run.info.artifact_uri]


def _size(uri: str) -> int:
    repository, total = get_artifact_repository(uri), 0
    folders: list[str | None] = [None]
    while folders:
        for entry in repository.list_artifacts(folders.pop()):
            if entry.is_dir:
                folders.append(entry.path)
            else:
                total += entry.file_size or 0
    return total


@contextmanager
def _artifacts_of(run_id: str) -> Iterator[None]:
    """Raises ArtifactsUnavailable when the artifact store fails, or is one of MLflow's that cannot list or delete."""
    try:
        yield
    except (MlflowException, OSError, NotImplementedError) as error:
        reason = str(error) or "this kind of store cannot do it"  # NotImplementedError has no text
        raise ArtifactsUnavailable(f"The artifacts of run {run_id} cannot be read or deleted: {reason}") from error
