"""Runs of whole months, one process at a time: a month that an earlier run has finished leaves nothing to do, and a run
that was cut off is continued.

A month is judged by the version that was in Production when it began. A run that was killed after its own promotion
must not begin anew with the version that it made: the next run takes over what the first one began with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import mlflow
from mlflow.entities import Run

from configuration import names
from steps import warehouse
from steps.chain.month_folder import MonthFolder
from steps.cli.errors import MonthUnderWay
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions, versions
from steps.runs import search, tracking
from steps.runs.inputs import digest

FOLDER_TAG, CHAMPION_TAG, TRAINED_TAG = "folder_sha256", "champion", "trained_run_id"
SELECTED_TAG = "train_run_id"  # of a run of select_model
LABELS_TAG, OPTIONS_TAG, VERSION_TAG = "labels_fingerprint", "options", "model_version"
NONE = "none"
UNDER_WAY = "Another run of main or catch_up is under way. When it is done, run the same command again"


@contextmanager
def alone() -> Iterator[None]:
    """Raises MonthUnderWay, at once, where another process runs a month."""
    with warehouse.month_lock() as is_free:
        if not is_free:
            raise MonthUnderWay(UNDER_WAY)
        yield


@dataclass(frozen=True)
class Champion:
    """The version in Production when the month began, and its training run: numbers can be given anew."""

    number: str | None
    run_id: str = ""

    @property
    def identity(self) -> str:
        return f"{self.number} {self.run_id}" if self.number else NONE

    @classmethod
    def of(cls, identity: str) -> "Champion":
        number, _space, run_id = identity.partition(" ")
        return cls(None if identity == NONE else number, run_id)


def in_production() -> Champion:
    """Raises TrackingUnavailable."""
    number = versions.in_production()
    training = versions.training_of(versions.get(number)) if number else None
    return Champion(number, training.info.run_id if training else "")


def newest(folder: MonthFolder) -> Run | None:
    """The newest earlier run for exactly this folder, finished or not. Raises TrackingUnavailable."""
    run = _newest({FOLDER_TAG: folder.sha256})
    if run or folder.late_labels:
        return run
    # of releases in which a run knew the month's own files only
    return _newest({"as_of": str(folder.as_of), "files_sha256": folder.files_sha256})


def _newest(tags: Mapping[str, str]) -> Run | None:
    active = mlflow.active_run().info
    equal = [search.tagged(name, value) for name, value in {tracking.STEP_TAG: "main", **tags}.items()]
    runs = search.runs(equal, [active.experiment_id], limit=2)
    return next((run for run in runs if run.info.run_id != active.run_id), None)


def has_finished(run: Run, folder: MonthFolder, options: str | None) -> bool:
    """True if nothing is left to do. options: None for any."""
    tags, labels = run.data.tags, labels_fingerprint(folder.as_of)
    return (
        run.info.status == "FINISHED"
        and warehouse.files_sha256(folder.as_of) == folder.files_sha256
        and (options is None or options == tags.get(OPTIONS_TAG, options))
        and (labels is None or labels == tags.get(LABELS_TAG, labels))
    )


def labels_fingerprint(as_of: date) -> str | None:
    """Of all labels that the month can be judged by. None for a month that is not the newest: what is known later is
    learnt with newer months."""
    loaded = warehouse.loaded_months()
    if not loaded or as_of != loaded[-1]:
        return None
    return digest("labels", {str(day): warehouse.newest_labels_fingerprint(day) for day in loaded})


@dataclass(frozen=True)
class Beginning:
    """What a run begins with. trained_run_id: the training of a run that was cut off after it; '' without one."""

    champion: Champion
    trained_run_id: str = ""

    def tags(self, folder: MonthFolder, options: str) -> dict[str, str]:
        trained = {TRAINED_TAG: self.trained_run_id} if self.trained_run_id else {}
        own = {FOLDER_TAG: folder.sha256, CHAMPION_TAG: self.champion.identity, OPTIONS_TAG: options}
        return {"as_of": str(folder.as_of), **own, **trained}


def beginning(run: Run | None) -> Beginning:
    """As the run that was cut off began, unless a version serves since that it neither began with nor made."""
    now = in_production()
    if run is None or run.info.status == "FINISHED" or CHAMPION_TAG not in run.data.tags:
        return Beginning(now)
    began_with, trained = Champion.of(run.data.tags[CHAMPION_TAG]), run.data.tags.get(TRAINED_TAG, "")
    if now == began_with or (now.run_id and now.run_id == trained):
        return Beginning(began_with, trained)
    return Beginning(now)


def is_registered(run: Run, training: Run) -> bool:
    """True while the training's version is where this run of register left it: people delete and move versions."""
    number, promoted = run.data.tags.get(VERSION_TAG), run.data.tags.get(decisions.OUTCOME_TAG) == decisions.PROMOTED
    existing = [str(version.version) for version in versions.of_training(training)]
    return number in existing and (not promoted or number == versions.in_production())


def exit_code(run: Run) -> int:
    """Of a finished run: 2 while the version that it made still waits for a person."""
    waited = run.data.tags.get(names.EXIT_CODE_TAG) == str(names.WAITS)
    waiting = approvals.waiting(warehouse.decisions(MODEL_NAME)) if waited else []
    return names.WAITS if run.data.tags.get(VERSION_TAG) in waiting else 0
