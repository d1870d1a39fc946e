"""The identity of a month's files: their names, in order, and one sha256 over them; and the mark of made-up months.
Without labels.csv, which may come later, the sha256 is over the other five. Standard library only: the local stack
imports it without loading pandas."""

import hashlib
import json
import re
from pathlib import Path

FILE_NAMES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
LABELS = "labels"
LATE_LABELS = re.compile(r"labels_(.+)\.csv")  # of an earlier month, whose day is in the name
BLOCK_BYTES = 1 << 20
MARKER = "sample.json"
FROM_FILES, MADE_UP = "files", "sample"


def has_labels(folder: Path) -> bool:
    """True also for an unreadable labels.csv and for a dangling link: neither is a month without labels."""
    try:
        (folder / f"{LABELS}.csv").lstat()
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    return True


def late_labels_in(folder: Path) -> list[Path]:
    """The files with labels of earlier months."""
    return sorted(path for path in folder.iterdir() if LATE_LABELS.fullmatch(path.name))


def files_sha256(folder: Path) -> str:
    """Raises FileNotFoundError when a file other than labels.csv is missing."""
    digest = hashlib.sha256()
    for name in FILE_NAMES:
        path = folder / f"{name}.csv"
        if name == LABELS and not has_labels(folder):
            continue
        digest.update(f"{name}:{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def mark_made_up(folder: Path, seed: int, users: int, month: int) -> None:
    """Writes sample.json: the arguments that made the month, and the sha256 of each of its files."""
    files = {f"{name}.csv": file_sha256(folder / f"{name}.csv") for name in FILE_NAMES}
    text = json.dumps({"seed": seed, "users": users, "month": month, "files": files}, indent=2)
    (folder / MARKER).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def origin_of(folder: Path) -> str:
    """'sample' for a month with sample.json and at least one unchanged file of sample_months; else 'files'.

    Editing one file leaves the month made up; copying six files of other customers over it does not.
    """
    try:
        written = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
        made_up = any(_has_sha256(folder / str(name), sha256) for name, sha256 in written.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return FROM_FILES  # sample.json is missing, or not from sample_months
    return MADE_UP if made_up else FROM_FILES


def _has_sha256(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
