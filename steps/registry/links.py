"""From a dataset's run to the month: its files, its rows, and the loads that brought them, known by their sha256.

Each link of the chain says what was compared with what. same: compared, and equal. told: there is nothing to compare
it with. differs: nothing is broken, but what is here is not what the version was made with. broken: missing, damaged,
or not what was recorded.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from steps import warehouse
from steps.registry import versions
from steps.runs import tracking

State = Literal["same", "told", "differs", "broken"]


@dataclass(frozen=True)
class Link:
    name: str
    said: str
    state: State = "same"


def month_links(as_of: str | None, source: Run | None) -> list[Link]:
    """source: the dataset's run. Raises DatabaseUnavailable, TrackingUnavailable."""
    files = source.data.tags.get("files_sha256") if source else None
    if not source or not as_of or not files:
        return [Link("month", f"{as_of}: the dataset's run does not say from which files", "broken")]
    load = _load("ingest", "files_sha256", files)
    found = Link("ingest", "no finished run loaded these files", "broken") if load is None else _ingest(load)
    now = warehouse.files_sha256(date.fromisoformat(as_of))
    return [_files(as_of, files, now), *([_rows(as_of, source)] if now else []), found, *_labels(source, files)]


def _files(as_of: str, files: str, now: str | None) -> Link:
    said = f"{as_of}, files sha256 {files}"
    if now is None:
        return Link("month", f"{said}, the warehouse has this month no more", "differs")
    if now != files:
        return Link("month", f"{said}, loaded anew since from other files: {now}", "differs")
    return Link("month", f"{said}, as in the warehouse")


def _rows(as_of: str, source: Run) -> Link:
    """Files are known by name alone; the fingerprint is of the rows, as a training set would be made from them now."""
    recorded = source.data.tags.get("month_fingerprint")
    now = warehouse.month_fingerprint(date.fromisoformat(as_of))
    if recorded == now:
        return Link("rows", f"fingerprint {now}, as in the warehouse")
    return Link("rows", f"fingerprint {recorded}, in the warehouse it is {now}", "differs")


def _ingest(load: Run) -> Link:
    return Link("ingest", f"run {load.info.run_id}, from {load.data.params.get('month_dir')}")


def _labels(source: Run, month_files: str) -> list[Link]:
    """The files that labels came in otherwise than with the month's: alone, or with an earlier load of the month."""
    files = [one for one in source.data.tags.get("labels_sha256", "").split(", ") if one not in ("", month_files)]
    return [_labels_file(one) for one in files]


def _labels_file(sha256: str) -> Link:
    load = _load("labels", "labels_sha256", sha256) or _load("ingest", "files_sha256", sha256)
    if load is None:
        return Link("labels", f"sha256 {sha256}, no finished run loaded it", "broken")
    file = load.data.params.get("labels_file") or load.data.params.get("month_dir")
    return Link("labels", f"sha256 {sha256}, run {load.info.run_id}, from {file}")


def _load(step: str, tag: str, sha256: str) -> Run | None:
    """The step's newest finished run that loaded these files, in whatever experiment it was recorded."""
    client = MlflowClient()
    wanted = f"attributes.status = 'FINISHED' AND tags.`{tracking.STEP_TAG}` = '{step}' AND tags.`{tag}` = '{sha256}'"

    def search() -> list[Run]:
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(everywhere, wanted, order_by=["attributes.start_time DESC"], max_results=1))

    return next(iter(versions.look_up(search) or []), None)
