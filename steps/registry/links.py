"""The links from a dataset's run back to its month: the files, the rows, and the loads, identified by sha256.

A link's state says what the comparison showed. same: compared, and equal. recorded: there is nothing to compare with.
differs: nothing is broken, but the version was made with something else. broken: missing, damaged, or not what was
recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from mlflow.entities import Run

from steps import warehouse
from steps.runs import search, tracking
from steps.warehouse import Erasure

State = Literal["same", "recorded", "differs", "broken"]


@dataclass(frozen=True)
class Link:
    name: str
    text: str
    state: State = "same"


def month_links(as_of: str | None, source: Run | None) -> list[Link]:
    """source: the dataset's run. Raises DatabaseUnavailable, TrackingUnavailable."""
    files = source.data.tags.get("files_sha256") if source else None
    if not source or not as_of or not files:
        return [Link("month", f"{as_of}: the dataset's run does not name its files", "broken")]
    load = _load("ingest", "files_sha256", files)
    ingest = Link("ingest", "no finished run loaded these files", "broken") if load is None else _ingest(load)
    loaded = warehouse.files_sha256(date.fromisoformat(as_of))
    rows = [_rows(as_of, source)] if loaded else []
    return [_files(as_of, files, loaded), *rows, ingest, *_labels(source, files)]


def _files(as_of: str, files: str, loaded: str | None) -> Link:
    text = f"{as_of}, files sha256 {files}"
    if loaded is None:
        return Link("month", f"{text}, the warehouse no longer has this month", "differs")
    if loaded != files:
        return Link("month", f"{text}, loaded again since from other files: {loaded}", "differs")
    return Link("month", f"{text}, as in the warehouse")


def _rows(as_of: str, source: Run) -> Link:
    """The fingerprint of the rows, as a training set made from them now would have it; equal files do not prove it."""
    recorded = source.data.tags.get("month_fingerprint")
    current = warehouse.month_fingerprint(date.fromisoformat(as_of))
    if recorded == current:
        return Link("rows", f"fingerprint {current}, as in the warehouse")
    why = _not_rebuilt(date.fromisoformat(as_of), source, recorded, current)
    return Link("rows", f"fingerprint {recorded}, in the warehouse it is {current}{why}", "differs")


def _not_rebuilt(as_of: date, source: Run, recorded: str | None, current: str) -> str:
    """Why a training set cannot be rebuilt from a month with another fingerprint; '' where nobody was erased since."""
    erasures = warehouse.erasures_of(as_of)
    fingerprint, explaining = recorded, list[Erasure]()
    for erasure in erasures:
        if erasure.before == fingerprint:
            fingerprint = erasure.after
            explaining.append(erasure)
    if fingerprint == current:
        return f": {_days(explaining)}; it can no longer be rebuilt"
    built = datetime.fromtimestamp(source.info.start_time / 1000, UTC)
    since = [erasure for erasure in erasures if erasure.erased_at >= built]
    return f": {_days(since)}, and rows were changed; it can no longer be rebuilt" if since else ""


def _days(erasures: Sequence[Erasure]) -> str:
    days = sorted({str(erasure.erased_at.astimezone(UTC).date()) for erasure in erasures})
    return f"a user was erased on {' and '.join(days)}"


def _ingest(load: Run) -> Link:
    return Link("ingest", f"run {load.info.run_id}, from {load.data.params.get('month_dir')}")


def _labels(source: Run, month_files: str) -> list[Link]:
    """The label files outside the month's files: loaded alone, or with an earlier load of the month."""
    files = source.data.tags.get("labels_sha256", "").split(", ")
    return [_labels_file(sha256) for sha256 in files if sha256 not in ("", month_files)]


def _labels_file(sha256: str) -> Link:
    load = _load("labels", "labels_sha256", sha256) or _load("ingest", "files_sha256", sha256)
    if load is None:
        return Link("labels", f"sha256 {sha256}, no finished run loaded it", "broken")
    file = load.data.params.get("labels_file") or load.data.params.get("month_dir")
    return Link("labels", f"sha256 {sha256}, run {load.info.run_id}, from {file}")


def _load(step: str, tag: str, sha256: str) -> Run | None:
    """The step's newest finished run that loaded these files, in any experiment."""
    conditions = [search.FINISHED, search.tagged(tracking.STEP_TAG, step), search.tagged(tag, sha256)]
    return next(iter(search.runs(conditions)), None)
