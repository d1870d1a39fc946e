"""The months of a folder, in the order of their days."""

from datetime import date
from pathlib import Path

from configuration import months
from steps.cli import console
from steps.cli.errors import FaultyMonth


def list_months(folder: Path) -> list[tuple[date, Path]]:
    """Day and path of every month folder, the oldest first; says which other folders are left out.

    Raises FaultyMonth where there is none, where two are of the same day, and where the folder cannot be read.
    """
    by_day: dict[date, Path] = {}
    for path in _folders(folder):
        day = months.day_of_folder(path.name)
        if day is None:
            console.say(f"[WARNING] {path.name} is left out: a month's folder is called month_NNN or YYYY-MM-DD")
        elif day in by_day:
            raise _faulty(folder, f"{by_day[day].name} and {path.name} are both of {day}")
        else:
            by_day[day] = path
    if not by_day:
        raise _faulty(folder, "there is no folder month_000, month_001, … or YYYY-MM-DD")
    return sorted(by_day.items())


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise _faulty(folder, f"cannot be read: {error.strerror}") from error


def _faulty(folder: Path, fault: str) -> FaultyMonth:
    return FaultyMonth(f"{folder}: {fault}. Nothing was done", [fault])
