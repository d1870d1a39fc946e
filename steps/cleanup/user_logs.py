"""A user's id in the stack's logs: overwritten in place, with as many x, because servers append to them meanwhile."""

from collections.abc import Iterator
from pathlib import Path

from steps.cleanup.user_text import Subject, Trace
from steps.cli.settings import Settings

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
CONTAINERS = Trace("logs of containers", 0, "not reached: the container engine keeps and rotates them")


def erase(subject: Subject, *, apply: bool) -> list[Trace]:
    """Without apply it only counts."""
    logs = Settings.from_env().logs
    if logs is None:
        return [CONTAINERS]
    traces = []
    for path in _files(logs):
        if path.suffix in COMPRESSED:
            traces.append(Trace(f"log {path}", 0, "compressed, and not searched: delete it"))
        elif count := _erase(path, subject, apply=apply):
            traces.append(Trace(f"log {path}", count))
    return traces


def _files(logs: Path) -> Iterator[Path]:
    """Rotated logs too, those of model servers, and PostgreSQL's."""
    server = logs.parent / "postgres" / "log"
    files = [*logs.rglob("*"), *(logs.parent / "rollout").rglob("*.log"), server]
    return (path for path in sorted(files) if path.is_file() and not path.is_symlink())


def _erase(path: Path, subject: Subject, *, apply: bool) -> int:
    count = 0
    with path.open("r+b" if apply else "rb") as file:
        for match in subject.pattern.finditer(file.read()):
            count += 1
            file.seek(match.start())
            if apply and file.read(len(match[0])) == match[0]:  # else the log was cut in the meantime
                file.seek(match.start())
                file.write(b"x" * len(match[0]))
    return count
