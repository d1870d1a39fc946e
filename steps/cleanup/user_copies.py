"""Copies of a user's data that are not the project's to change: the files that months were loaded from, and backups."""

from collections.abc import Iterator
from pathlib import Path

from mlflow.entities import Run

from steps.cleanup.user_runs import all_runs
from steps.cleanup.user_text import Subject, Trace
from steps.cli.settings import PROJECT_ROOT
from steps.runs import tracking

BACKUPS = PROJECT_ROOT / "backups"  # where `make backup` writes without TO
ELSEWHERE = Trace("backups in other folders (make backup TO=…), copies of the disk", 0, "not known here: delete them")


def listed(subject: Subject) -> list[Trace]:
    """The files with the user, and every backup: they are not searched."""
    files = sorted({file for run in all_runs() for file in _sources(run)})
    sources = [
        Trace(str(file), count, "your own file: delete the rows") for file in files if (count := _count(file, subject))
    ]
    backups = [
        Trace(str(file), 0, "not searched: delete it, or run erase_user again after a restore")
        for file in sorted(BACKUPS.glob("*.tar"))
    ]
    return [*sources, *backups, ELSEWHERE]


def _sources(run: Run) -> Iterator[Path]:
    if run.data.tags.get(tracking.STEP_TAG) not in ("ingest", "labels", "main"):
        return
    if folder := run.data.params.get("month_dir"):
        yield from (file.resolve() for file in (PROJECT_ROOT / folder).glob("*.csv"))
    if file := run.data.params.get("labels_file"):
        yield (PROJECT_ROOT / file).resolve()


def _count(file: Path, subject: Subject) -> int:
    try:
        return subject.count(file.read_bytes())
    except OSError:
        return 0  # it was moved, or is closed to this user
