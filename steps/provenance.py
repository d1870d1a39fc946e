"""From a version back to the files it was made from, link by link. A link that is not there is a link that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import dataset_runs, tracking, warehouse
from steps.errors import DatasetMismatch

FIGURES = ("AUC", "F1", "ACC")


@dataclass(frozen=True)
class Link:
    name: str
    said: str
    holds: bool = True


def links(version: ModelVersion) -> list[Link]:
    """In the order of the walk: version, training, dataset, code, month, load. Raises DatabaseUnavailable."""
    run_id = version.tags.get("run_id") or version.run_id
    training = _run(run_id)
    gate = Link(
        "gate", f"{version.tags.get('gate', 'none')}: {version.tags.get('gate_reason', 'made before there was one')}"
    )
    if training is None:
        return [gate, Link("training", f"no run {run_id}", holds=False)]
    tags = training.data.tags
    return [gate, _training(training), _figures(training), *_dataset(tags), *_code(tags), *_month(tags)]


def _run(run_id: str | None) -> Run | None:
    try:
        return MlflowClient().get_run(run_id) if run_id else None
    except MlflowException:
        return None


def _training(run: Run) -> Link:
    if run.info.lifecycle_stage != "active":
        return Link("training", f"run {run.info.run_id} was deleted", holds=False)
    return Link("training", f"run {run.info.run_id} {run.info.run_name}, {run.data.tags.get('feature_service')}")


def _figures(run: Run) -> Link:
    missing = [name for name in FIGURES if name not in run.data.metrics]
    if missing:
        return Link("figures", f"without {', '.join(missing)}", holds=False)
    return Link("figures", " ".join(f"{name}={run.data.metrics[name]:.4f}" for name in FIGURES))


def _dataset(tags: Mapping[str, str]) -> list[Link]:
    run_id, recorded = tags.get("dataset_run_id"), tags.get("dataset_sha256")
    if not run_id or _run(run_id) is None:
        return [Link("dataset", f"no run {run_id}", holds=False)]
    try:
        rows, facts = dataset_runs.read(run_id)
    except (DatasetMismatch, MlflowException, OSError, ValueError, KeyError) as error:
        return [Link("dataset", f"run {run_id}: {error}", holds=False)]
    found = facts["dataset_sha256"]
    same = found == recorded
    outcome = "recomputed from dataset.parquet: the same" if same else f"recomputed from dataset.parquet: {found}"
    return [
        Link("dataset", f"run {run_id}, {len(rows)} rows, {facts['feature_service']} as of {facts['as_of']}"),
        Link("sha256", f"{recorded}, {outcome}", holds=same),
    ]


def _code(tags: Mapping[str, str]) -> list[Link]:
    here = tracking.code_version()
    named = {"commit": tracking.COMMIT_TAG, "code": tracking.CODE_TAG, "lock": tracking.LOCK_TAG}
    found = []
    for name, tag in named.items():
        if tag not in tags:
            found.append(Link(name, "not recorded", holds=False))
        else:
            kind = "" if name == "commit" else "sha256 "
            found.append(
                Link(name, f"{kind}{tags[tag]}, {'as here' if tags[tag] == here[tag] else 'here it is another'}")
            )
    return found


def _month(tags: Mapping[str, str]) -> list[Link]:
    """The CSV files: known from the dataset's run, and found again among the loads by their sha256."""
    as_of, source = tags.get("as_of"), _run(tags.get("dataset_run_id"))
    files = source.data.tags.get("files_sha256") if source else None
    if not source or not as_of or not files:
        return [Link("month", f"{as_of}: the dataset's run does not say from which files", holds=False)]
    now = "as in the warehouse" if warehouse.files_sha256(date.fromisoformat(as_of)) == files else "loaded anew since"
    month = Link("month", f"{as_of}, files sha256 {files}, {now}")
    load = tracking.newest_run("ingest", {"files_sha256": files})
    if load is None:
        return [month, Link("ingest", "no finished run loaded these files", holds=False), *_labels(source, files)]
    ingest = Link("ingest", f"run {load.info.run_id}, from {load.data.params.get('month_dir')}")
    return [month, ingest, *_labels(source, files)]


def _labels(source: Run, month_files: str) -> list[Link]:
    """The files that labels came in otherwise than with the month's: alone, or with an earlier load of the month."""
    found = []
    for sha256 in filter(None, source.data.tags.get("labels_sha256", "").split(", ")):
        if sha256 == month_files:
            continue
        load = tracking.newest_run("labels", {"labels_sha256": sha256})
        load = load or tracking.newest_run("ingest", {"files_sha256": sha256})
        if load is None:
            found.append(Link("labels", f"sha256 {sha256}, no finished run loaded it", holds=False))
        else:
            file = load.data.params.get("labels_file") or load.data.params.get("month_dir")
            found.append(Link("labels", f"sha256 {sha256}, run {load.info.run_id}, from {file}"))
    return found
