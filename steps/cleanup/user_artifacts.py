"""A user's rows and id in the artifacts of MLflow's runs. They are removed from scores, lists and reports; datasets and
models are identified by a sha256, stay as they are, and are listed."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from configuration import names
from steps.cleanup.user_runs import all_runs
from steps.cleanup.user_text import ERASED, Subject, Trace
from steps.cli import spreadsheet
from steps.registry import versions
from steps.runs import tracking

TABLES = (".parquet",)
TEXTS = (".csv", ".json", ".txt", ".md", ".html", ".log", ".yaml", ".yml")
DATASET, EXAMPLE = "dataset.parquet", "input_example.json"


def erase(subject: Subject, *, apply: bool) -> tuple[list[Trace], list[str]]:
    """The traces, and the ids of the dataset runs with the user. Without apply it only counts."""
    traces: list[Trace] = []
    people: dict[str, dict[str, Any]] = {}  # dataset run -> the user's row
    runs = list(all_runs())
    for run in runs:
        repository = get_artifact_repository(run.info.artifact_uri)
        is_dataset = run.data.tags.get(tracking.STEP_TAG) == "build_dataset"
        for file in _files(repository):
            traces += _erase(repository, file, subject, run, apply=apply and not is_dataset)
        if is_dataset and (row := _row(repository, subject)):
            people[run.info.run_id] = row
    needed = _versions_by_dataset()
    return [_explained(trace, needed) for trace in [*traces, *_examples(runs, people)]], list(people)


def _files(repository: ArtifactRepository) -> Iterator[str]:
    """Files that can hold a user's id; pictures and models cannot."""
    folders: list[str | None] = [None]
    while folders:
        try:
            entries = repository.list_artifacts(folders.pop())
        except (MlflowException, OSError):
            continue  # its folder is gone
        folders += [entry.path for entry in entries if entry.is_dir]
        yield from (entry.path for entry in entries if not entry.is_dir and entry.path.endswith((*TABLES, *TEXTS)))


def _erase(repository: ArtifactRepository, file: str, subject: Subject, run: Run, *, apply: bool) -> list[Trace]:
    with tracking.scratch_folder() as scratch:
        path, place = _fetched(repository, file, scratch), f"{repository.artifact_uri}/{file}"
        if path is None:
            return []
        try:
            count, content = _without(path, subject)
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError, csv.Error):
            return [Trace(place, 0, "unreadable: delete it")]
        if not count:
            return []
        if run.data.tags.get(tracking.STEP_TAG) == "build_dataset":
            return [Trace(place, count, run.info.run_id)]
        if apply:
            path = scratch / Path(file).name
            path.write_bytes(content)
            repository.log_artifact(str(path), str(Path(file).parent) if "/" in file else None)
        return [Trace(place, count)]


def _fetched(repository: ArtifactRepository, file: str, scratch: Path) -> Path | None:
    """None where it was deleted in the meantime."""
    folder = scratch / "fetched"
    folder.mkdir()
    try:
        return Path(repository.download_artifacts(file, str(folder)))
    except (MlflowException, OSError):
        return None


def _without(path: Path, subject: Subject) -> tuple[int, bytes]:
    """The number of the user's rows or mentions in the file, and its content without them."""
    if path.suffix in TABLES:
        return _table_without(path, subject)
    content = path.read_bytes()
    if path.suffix == ".csv":
        return _csv_without(content.decode(), subject)
    if subject.is_number and not path.name.startswith("data_report."):
        return 0, content  # the steps write no id into other texts, but many numbers
    return subject.count(content), subject.pattern.sub(ERASED.encode(), content)


def _table_without(path: Path, subject: Subject) -> tuple[int, bytes]:
    table = pq.read_table(path, partitioning=None)
    if "user_id" not in table.column_names:
        return 0, b""
    kept, out = table.filter(pc.not_equal(table["user_id"], subject.user_id)), io.BytesIO()
    pq.write_table(kept, out, compression="zstd")
    return table.num_rows - kept.num_rows, out.getvalue()


def _csv_without(text: str, subject: Subject) -> tuple[int, bytes]:
    def is_users(header: Sequence[str], cells: Sequence[str]) -> bool:
        """A rank or a line may be the same number as the id."""
        ids = {place for place, name in enumerate(header) if name in ("user_id", "value")}
        return any(cell == subject.user_id if place in ids else subject.is_in(cell) for place, cell in enumerate(cells))

    count, kept = spreadsheet.without_rows(text, is_users)
    return count, kept.encode()


def _row(repository: ArtifactRepository, subject: Subject) -> dict[str, Any] | None:
    """The user's row of the run's dataset."""
    with tracking.scratch_folder() as scratch:
        path = _fetched(repository, DATASET, scratch)
        try:
            table = pq.read_table(path, partitioning=None) if path else None
        except (pa.ArrowInvalid, OSError):
            return None  # listed as unreadable
        rows = table.filter(pc.equal(table["user_id"], subject.user_id)).to_pylist() if table else []
        return rows[0] if rows else None


def _examples(runs: list[Run], people: dict[str, dict[str, Any]]) -> Iterator[Trace]:
    """Models whose input example is the user's row: of trainings before examples were made up."""
    for run in runs:
        person = people.get(run.data.tags.get(names.DATASET_RUN_TAG, ""))
        for output in (run.outputs.model_outputs if run.outputs else []) if person else []:
            model = MlflowClient().get_logged_model(output.model_id)
            if (example := _example(get_artifact_repository(model.artifact_location))) and person is not None:
                same = all(person.get(name) == value for name, value in example.items())
                text = f"{model.artifact_location}/{EXAMPLE} has the user's values"
                yield from [Trace(text, 1, "delete the model's versions, its run and its files")] if same else []


def _example(repository: ArtifactRepository) -> dict[str, Any] | None:
    with tracking.scratch_folder() as scratch:
        path = _fetched(repository, EXAMPLE, scratch)
        if path is None:
            return None
        frame = json.loads(path.read_text())
        return dict(zip(frame["columns"], frame["data"][0], strict=True))


def _versions_by_dataset() -> dict[str, list[str]]:
    by_dataset: dict[str, list[str]] = {}
    for version in versions.all_versions():
        training = versions.training_of(version)
        dataset = training.data.tags.get(names.DATASET_RUN_TAG, "") if training else ""
        by_dataset.setdefault(dataset, []).append(str(version.version))
    return by_dataset


def _explained(trace: Trace, needed: dict[str, list[str]]) -> Trace:
    """A dataset's trace has the run's id as its remedy; here it becomes the commands."""
    if len(trace.remedy.split()) != 1:
        return trace
    gc = f"mlflow runs delete --run-id {trace.remedy}, then mlflow gc --run-ids {trace.remedy}"
    numbers = needed.get(trace.remedy)
    first = f"versions {', '.join(numbers)} were trained on it: delete them first; " if numbers else ""
    return Trace(trace.place, trace.count, f"{first}{gc}")
