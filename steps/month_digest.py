"""The identity of a month's files: their names, in order, and one sha256 over them. Labels may come later: without
labels.csv it is over the other five. Standard library only, so that the local stack can ask without loading pandas."""

import hashlib
from pathlib import Path

FILE_NAMES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
LABELS = "labels"
BLOCK_BYTES = 1 << 20


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
