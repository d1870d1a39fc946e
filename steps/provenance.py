"""From a version back to the files it was made from, link by link. Each link says what was compared with what.

same: compared, and equal. told: there is nothing to compare it with. differs: nothing is broken, but what is here is
not what the version was made with. broken: not there, damaged, or not what was recorded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import dataset_runs, environment, tracking, versions, warehouse
from steps.errors import DatasetMismatch, UnusableVersion
from steps.settings import PROJECT_ROOT

FIGURES = ("AUC", "F1", "ACC")
SAME_ANSWER = 1e-9  # another processor may round the last bit otherwise
MOST_NAMED = 3  # packages that differ
State = Literal["same", "told", "differs", "broken"]


@dataclass(frozen=True)
class Link:
    name: str
    said: str
    state: State = "same"


def links(version: ModelVersion) -> list[Link]:
    """In the order of the walk: gate, training, model, figures, dataset, code, environment, month, load. Raises
    DatabaseUnavailable, and TrackingUnavailable when MLflow could not be asked: that is no fact about the version."""
    training = versions.training_of(version)
    if training is None:
        named = version.run_id or version.tags.get("run_id")
        return [_gate(version), Link("training", f"no run {named}", "broken"), _model(version)]
    tags = training.data.tags
    made_with = [_gate(version), _training(version, training), _model(version), _figures(training)]
    return [*made_with, *_dataset(tags), *_code(tags), _environment(), *_month(tags)]


def _gate(version: ModelVersion) -> Link:
    """A version is judged when `register` makes it: a version without verdict was made otherwise, or the step died."""
    status = version.tags.get("gate")
    if status is None:
        return Link("gate", f"no verdict: version {version.version} was never judged", "told")
    return Link("gate", f"{status}: {version.tags.get('gate_reason', 'no reason recorded')}", "told")


def _run(run_id: str | None) -> Run | None:
    """Raises TrackingUnavailable."""
    return versions.look_up(lambda: MlflowClient().get_run(run_id)) if run_id else None


def _training(version: ModelVersion, run: Run) -> Link:
    if run.info.lifecycle_stage != "active":
        return Link("training", f"run {run.info.run_id} was deleted", "broken")
    tagged = version.tags.get("run_id", run.info.run_id)
    if tagged != run.info.run_id:
        said = f"run {run.info.run_id} logged the model, the version's tag run_id says {tagged}"
        return Link("training", said, "broken")
    return Link("training", f"run {run.info.run_id} {run.info.run_name}, {run.data.tags.get('feature_service')}")


def _model(version: ModelVersion) -> Link:
    """Loaded as it is served, and asked what it was asked when it was registered."""
    try:
        opened = versions.open_version(str(version.version))
        recorded = version.tags.get("example_probability")
        if opened.example is None or recorded is None:
            return Link("model", "can be loaded; no answer was recorded to compare with", "told")
        answer = float(opened.answers(opened.example)["probability"].iloc[0])
    except UnusableVersion as error:
        return Link("model", str(error), "broken")
    if not math.isclose(answer, float(recorded), rel_tol=SAME_ANSWER):
        return Link("model", f"answers its own example with {answer}, when registered with {recorded}", "broken")
    return Link("model", f"answers its own example with {answer}, as when it was registered")


def _figures(run: Run) -> Link:
    """Of validation rows, which the training never saw."""
    metrics = run.data.metrics
    missing = [name for name in FIGURES if name not in metrics]
    if missing:
        return Link("figures", f"without {', '.join(missing)}", "broken")
    users = f"{metrics['rows_validation']:.0f} validation users" if "rows_validation" in metrics else "validation users"
    figures = " ".join(f"{name}={metrics[name]:.4f}" for name in FIGURES)
    return Link("figures", f"{figures} on {users}", "told")


def _dataset(tags: Mapping[str, str]) -> list[Link]:
    run_id, recorded = tags.get("dataset_run_id"), tags.get("dataset_sha256")
    run = _run(run_id)
    if run is None:
        return [Link("dataset", f"no run {run_id}", "broken")]
    if run.info.lifecycle_stage != "active":
        return [Link("dataset", f"run {run_id} was deleted", "broken")]
    try:
        rows, facts = dataset_runs.read(run.info.run_id)
    except (DatasetMismatch, MlflowException, OSError, ValueError, KeyError) as error:
        _run(run_id)  # is it the dataset, or MLflow?
        return [Link("dataset", f"run {run_id}: {error}", "broken")]
    found = facts["dataset_sha256"]
    outcome = "recomputed from dataset.parquet: the same" if found == recorded else f"recomputed, it is {found}"
    return [
        Link("dataset", f"run {run_id}, {len(rows)} rows, {facts['feature_service']} as of {facts['as_of']}"),
        Link("sha256", f"{recorded}, {outcome}", "same" if found == recorded else "broken"),
    ]


def _code(tags: Mapping[str, str]) -> list[Link]:
    """What the training recorded against what is on disk here."""
    here = tracking.code_version()
    named = {
        "commit": (tracking.COMMIT_TAG, "", "this checkout"),
        "code": (tracking.CODE_TAG, "sha256 ", "the code here"),
        "lock": (tracking.LOCK_TAG, "sha256 ", "requirements.txt here"),
    }
    return [_compared(name, kind, tags.get(tag), here[tag], what) for name, (tag, kind, what) in named.items()]


def _compared(name: str, kind: str, recorded: str | None, here: str, what: str) -> Link:
    if recorded is None:
        return Link(name, "not recorded", "broken")
    if recorded == here:
        return Link(name, f"{kind}{recorded}, {what} is the same")
    return Link(name, f"{kind}{recorded}, {what} is another: {here}", "differs")


def _environment() -> Link:
    """What is installed here against the lock on disk, which the link `lock` compares with the training's."""
    lock = PROJECT_ROOT / "requirements.txt"
    differ = environment.differences(lock)
    if not differ:
        count = len(environment.locked(lock))
        return Link("environment", f"all {count} packages of requirements.txt are installed in its versions")
    named = "; ".join(differ[:MOST_NAMED])
    more = f"; and {len(differ) - MOST_NAMED} more" if len(differ) > MOST_NAMED else ""
    return Link("environment", f"{named}{more}. To install the lock: make dev", "differs")


def _month(tags: Mapping[str, str]) -> list[Link]:
    """The CSV files: known from the dataset's run, and found again among the loads by their sha256."""
    as_of, source = tags.get("as_of"), _run(tags.get("dataset_run_id"))
    files = source.data.tags.get("files_sha256") if source else None
    if not as_of or not files:
        return [Link("month", f"{as_of}: the dataset's run does not say from which files", "broken")]
    load = _load(files)
    found = Link("ingest", "no finished run loaded these files", "broken") if load is None else _ingest(load)
    now = warehouse.files_sha256(date.fromisoformat(as_of))
    return [_files(as_of, files, now), *([_rows(as_of, source)] if now else []), found]


def _files(as_of: str, files: str, now: str | None) -> Link:
    said = f"{as_of}, files sha256 {files}"
    if now is None:
        return Link("month", f"{said}, the warehouse has this month no more", "differs")
    if now != files:
        return Link("month", f"{said}, loaded anew since from other files: {now}", "differs")
    return Link("month", f"{said}, as in the warehouse")


def _rows(as_of: str, source: Run | None) -> Link:
    """Files are known by name alone; the fingerprint is of the rows, as a training set would be made from them now."""
    recorded = source.data.tags.get("month_fingerprint") if source else None
    now = warehouse.month_fingerprint(date.fromisoformat(as_of))
    if recorded == now:
        return Link("rows", f"fingerprint {now}, as in the warehouse")
    return Link("rows", f"fingerprint {recorded}, in the warehouse it is {now}", "differs")


def _ingest(load: Run) -> Link:
    return Link("ingest", f"run {load.info.run_id}, from {load.data.params.get('month_dir')}")


def _load(files_sha256: str) -> Run | None:
    """The newest finished load of these files, in whatever experiment it was recorded."""
    client = MlflowClient()
    wanted = f"attributes.status = 'FINISHED' AND tags.`{tracking.STEP_TAG}` = 'ingest' "
    wanted += f"AND tags.`files_sha256` = '{files_sha256}'"

    def search() -> list[Run]:
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(everywhere, wanted, order_by=["attributes.start_time DESC"], max_results=1))

    return next(iter(versions.look_up(search) or []), None)
