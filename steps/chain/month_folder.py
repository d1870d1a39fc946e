"""What a month's folder brings: the month's six files, and late labels of earlier months, labels_YYYY-MM-DD.csv."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from steps.cli.errors import FaultyMonth
from steps.month.digest import LATE_LABELS, file_sha256, files_sha256, late_labels_in


@dataclass(frozen=True)
class LateLabels:
    """A file of labels of an earlier month."""

    path: Path
    as_of: date
    sha256: str


@dataclass(frozen=True)
class MonthFolder:
    """files_sha256: of the month's own files. late_labels: the oldest month first."""

    path: Path
    as_of: date
    files_sha256: str
    late_labels: tuple[LateLabels, ...]

    @property
    def sha256(self) -> str:
        """Of everything that the folder brings."""
        late = "".join(f" {labels.as_of} {labels.sha256}" for labels in self.late_labels)
        return hashlib.sha256(f"{self.as_of} {self.files_sha256}{late}".encode()).hexdigest()


def read(path: Path, as_of: date, loaded: Sequence[date]) -> MonthFolder:
    """loaded: the months in the warehouse. Raises FaultyMonth, also for late labels of a month that is not loaded."""
    try:
        files = late_labels_in(path)
        late = [LateLabels(file, _month_of(file, as_of, loaded), file_sha256(file)) for file in files]
        return MonthFolder(path, as_of, files_sha256(path), tuple(sorted(late, key=lambda labels: labels.as_of)))
    except OSError as error:
        name = Path(error.filename or path).name
        fault = f"{name} cannot be read: {error.strerror}"
        raise FaultyMonth(f"{path}, the month of {as_of}: {fault}. Nothing was loaded", [fault]) from error


def _month_of(file: Path, as_of: date, loaded: Sequence[date]) -> date:
    text = (LATE_LABELS.fullmatch(file.name) or [""])[1]
    try:
        month = date.fromisoformat(text)
    except ValueError:
        month = None
    if month is not None and month < as_of and month in loaded:
        return month
    earlier = ", ".join(str(day) for day in loaded if day < as_of) or "none"
    hint = ". Labels of the month itself belong in labels.csv" if month == as_of else ""
    fault = f"{file.name} must name a loaded month before {as_of}; loaded are: {earlier}{hint}"
    raise FaultyMonth(f"{file.parent}: {fault}. Nothing was loaded", [fault])
