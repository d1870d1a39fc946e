"""Cuts the stack's logs to their newest part, in place: the servers that write them keep appending."""

from pathlib import Path

KEPT_BYTES = 1_000_000  # of each log


def excess(folder: Path | None) -> dict[Path, int]:
    """Log -> bytes beyond its newest part. Empty without a folder."""
    sizes = {path: path.stat().st_size for path in sorted(folder.glob("*.log"))} if folder and folder.is_dir() else {}
    return {path: size - KEPT_BYTES for path, size in sizes.items() if size > KEPT_BYTES}


def cut(log: Path) -> int:
    """Cuts the log at the beginning of a line and returns the freed bytes."""
    with log.open("r+b") as file:
        before = file.seek(0, 2)
        file.seek(max(0, before - KEPT_BYTES))
        file.readline()
        rest = file.read()
        file.seek(0)
        file.write(rest)
        file.truncate()
    return before - len(rest)
