"""The identity of a month's files: their names, in order, and one sha256 over the six of them. Standard library only,
so that the local stack can ask without loading pandas."""

import hashlib
from pathlib import Path

FILE_NAMES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")


def files_sha256(folder: Path) -> str:
    """Raises FileNotFoundError when one of the six is missing."""
    digest = hashlib.sha256()
    for name in FILE_NAMES:
        content = (folder / f"{name}.csv").read_bytes()
        digest.update(f"{name}:{len(content)}\n".encode() + content)
    return digest.hexdigest()
