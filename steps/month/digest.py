"""The identity of a month's files: their names, in order, and one sha256 over them; and whether sample_months made them
up. Labels may come later: without labels.csv it is over the other five. Standard library only, so that the local stack
can ask without loading pandas."""

import hashlib
import json
from pathlib import Path

FILE_NAMES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
LABELS = "labels"
BLOCK_BYTES = 1 << 20
MARKER = "sample.json"
FROM_FILES, MADE_UP = "files", "sample"


def has_labels(folder: Path) -> bool:
    """True of a file that may not be read, and of a link that leads nowhere: neither is a month without labels."""
    try:
        (folder / f"{LABELS}.csv").lstat()
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    return True


def files_sha256(folder: Path) -> str:
    """Raises FileNotFoundError when one of the files is missing, unless it is labels.csv."""
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
    """Writes sample.json: what sample_months made the month from, and the sha256 of each file it wrote."""
    files = {f"{name}.csv": _sha256(folder / f"{name}.csv") for name in FILE_NAMES}
    text = json.dumps({"seed": seed, "users": users, "month": month, "files": files}, indent=2)
    (folder / MARKER).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def origin_of(folder: Path) -> str:
    """'sample' for a month with sample.json of which at least one file is as sample_months wrote it; else 'files'.

    One edited file leaves the month made up; six files of other customers copied over it do not.
    """
    try:
        written = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
        made_up = any(_is(folder / str(name), sha256) for name, sha256 in written.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return FROM_FILES  # no such file, or not one that sample_months wrote
    return MADE_UP if made_up else FROM_FILES


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
