"""The identity of a month's files: their names, in order, and one sha256 over the six of them. Standard library only,
so that the local stack can ask without loading pandas."""

import hashlib
from pathlib import Path

FILE_NAMES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
BLOCK_BYTES = 1 << 20


def files_sha256(folder: Path) -> str:
    """Raises FileNotFoundError when one of the six is missing."""
    digest = hashlib.sha256()
    for name in FILE_NAMES:
        path = folder / f"{name}.csv"
        digest.update(f"{name}:{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
