"""Everything that depends on a month: its rows, files, scores and online values, and the models trained on it."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import mlflow

from steps import warehouse
from steps.cli.settings import MODEL_NAME
from steps.features import lake, online_month
from steps.registry import versions
from steps.runs import search, tracking

if TYPE_CHECKING:
    from feast import FeatureStore

SHOWN_RUNS = 5
MOST_RUNS = 50_000


@dataclass(frozen=True)
class Traces:
    """The data and runs that depend on a month."""

    as_of: date
    loaded: bool
    online: bool
    rows: dict[str, int]  # table -> rows of the month
    scores: dict[str, int]  # version -> users
    lake_files: list[str]
    dataset_runs: list[str]
    trainings: list[str]
    versions: list[str]  # with their stage
    decisions: int  # about the month; they stay

    @property
    def stored(self) -> bool:
        """True if a removal would delete anything."""
        return self.loaded or self.online or bool(self.rows) or bool(self.lake_files)

    def lines(self) -> list[str]:
        """The console's lines about the traces."""
        rows = [f"  {table}: {count}" for table, count in self.rows.items()]
        scores = [f"  scores by version {version}: {count} users" for version, count in self.scores.items()]
        return [
            f"Data and runs that depend on {self.as_of}:",
            *(rows or ["  no row in any table"]),
            *scores,
            f"  files in the lake: {len(self.lake_files)}",
            f"  online: {'yes' if self.online else 'no'}",
            f"  dataset runs: {_some(self.dataset_runs)}",
            f"  trainings: {_some(self.trainings)}",
            f"  registered versions trained on it: {', '.join(self.versions) or 'none'}",
            f"  decisions about it, which stay: {self.decisions}",
        ]


def traces(store: "FeatureStore", as_of: date) -> Traces:
    """Raises DatabaseUnavailable, OnlineStoreUnavailable, TrackingUnavailable; BadParameter where STREAMFLOW_LAKE is
    not set."""
    return Traces(
        as_of,
        loaded=as_of in warehouse.loaded_months(),
        online=online_month.online_as_of(store) == as_of,
        rows=warehouse.month_rows(as_of),
        scores=warehouse.scores_of_month(as_of),
        lake_files=[str(file) for file in lake.files_of_month(as_of)],
        dataset_runs=_runs("build_dataset", as_of),
        trainings=_runs("train", as_of),
        versions=_versions(as_of),
        decisions=len(warehouse.decisions(MODEL_NAME, as_of)),
    )


def _runs(step: str, as_of: date) -> list[str]:
    """Ids of the step's finished runs of the month in the active run's experiment, newest first."""
    experiment = mlflow.active_run().info.experiment_id
    conditions = [search.FINISHED, search.tagged(tracking.STEP_TAG, step), search.tagged("as_of", str(as_of))]
    return [str(run.info.run_id) for run in search.runs(conditions, [experiment], MOST_RUNS)]


def _versions(as_of: date) -> list[str]:
    """The versions trained on the month, with their stage. MLflow's record of the training decides, not the tags."""
    trained = []
    for version in versions.all_versions():
        training = versions.training_of(version)
        if training and training.data.tags.get("as_of") == str(as_of):
            stage = "in no stage" if version.current_stage == "None" else version.current_stage
            trained.append(f"{version.version} ({stage})")
    return trained


def _some(runs: list[str]) -> str:
    shown = ", ".join(runs[:SHOWN_RUNS])
    more = f" and {len(runs) - SHOWN_RUNS} more" if len(runs) > SHOWN_RUNS else ""
    return f"{len(runs)} ({shown}{more})" if runs else "0"
