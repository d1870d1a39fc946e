"""Full disks, wherever they were noticed: one line that names the folder, instead of a trace."""

import errno
import shutil
import tempfile
from pathlib import Path

from steps.cli.errors import DiskFull
from steps.cli.settings import Settings

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_SPACE = "No space left on device"
ALMOST_FULL_BYTES = 32 << 20  # two segments of PostgreSQL's log: below, it cannot write and ends
MB = 1 << 20


def disk_full(error: BaseException) -> DiskFull | None:
    """The error to show when a full disk caused `error`, directly or through its causes; None for any other error."""
    cause = next((cause for cause in _causes(error) if _names_full_disk(cause)), None)
    folder = _fullest()
    if cause is None and (folder is None or not lost_server(error) or _free(folder) > ALMOST_FULL_BYTES):
        return None
    if isinstance(cause, _classes("Error")) and (folder is None or _free(folder) > ALMOST_FULL_BYTES):
        reason = str(cause).strip().splitlines()[0]
        return DiskFull(f"PostgreSQL at {Settings.from_env().database}: {reason}. Free space on that machine's disk")
    disk = f"{folder} is full ({_free(folder) // MB} MB free)" if folder else "this machine is full"
    return DiskFull(f"The disk of {disk}; incomplete work was discarded. Free space there and rerun the step")


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _names_full_disk(error: BaseException) -> bool:
    is_full = isinstance(error, OSError) and error.errno in FULL
    return is_full or isinstance(error, _classes("DiskFull")) or NO_SPACE in str(error)


def lost_server(error: BaseException) -> bool:
    """A connection was cut or refused. PostgreSQL also ends at once when its log has no room."""
    return any(isinstance(cause, _classes("OperationalError")) for cause in _causes(error))


def _classes(name: str) -> tuple[type[BaseException], ...]:
    """The class of errors in both drivers: psycopg reaches the warehouse, psycopg2 MLflow's tables."""
    import psycopg  # noqa: PLC0415 - takes a fifth of a second, which a step without a database should not wait
    import psycopg2.errors  # noqa: PLC0415

    return getattr(psycopg.errors, name), getattr(psycopg2.errors, name, None) or getattr(psycopg2, name)


def _fullest() -> Path | None:
    """The folder with the least free space among those that a step and the stack's PostgreSQL write to."""
    settings = Settings.from_env()
    folders = [folder for folder in (settings.state, settings.lake, Path(tempfile.gettempdir())) if folder]
    existing = [next(path for path in (folder, *folder.absolute().parents) if path.is_dir()) for folder in folders]
    return min(existing, key=_free, default=None)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
