"""A disk that is full, whichever part met it: one line that names the folder, instead of a trace."""

import errno
import shutil
import tempfile
from pathlib import Path

import psycopg2.errors

from steps.cli.errors import DiskFull
from steps.cli.settings import Settings

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_SPACE = "No space left on device"
ALMOST_FULL_BYTES = 32 << 20  # two segments of PostgreSQL's log: below, it cannot write and ends
MB = 1 << 20


def disk_full(error: BaseException) -> DiskFull | None:
    """What to say of an error that a full disk has caused, also by way of others; None for any other error."""
    reason = next((one for one in _causes(error) if _tells_of_full_disk(one)), None)
    folder = _fullest()
    if reason is None and (folder is None or not _lost_server(error) or _free(folder) > ALMOST_FULL_BYTES):
        return None
    if isinstance(reason, psycopg2.Error) and (folder is None or _free(folder) > ALMOST_FULL_BYTES):
        said = str(reason).strip().splitlines()[0]
        return DiskFull(f"PostgreSQL at {Settings.from_env().database}: {said}. Make room on that machine's disk")
    where = f"{folder} is full ({_free(folder) // MB} MB free)" if folder else "this machine is full"
    return DiskFull(f"The disk of {where}; nothing half done was kept. Make room there and run the step again")


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _tells_of_full_disk(error: BaseException) -> bool:
    of_system = isinstance(error, OSError) and error.errno in FULL
    return of_system or isinstance(error, psycopg2.errors.DiskFull) or NO_SPACE in str(error)


def _lost_server(error: BaseException) -> bool:
    """PostgreSQL ends at once when its log has no room; clients see a connection that is cut or refused."""
    return any(isinstance(one, psycopg2.OperationalError) for one in _causes(error))


def _fullest() -> Path | None:
    """Of the folders that a step and the stack's PostgreSQL write to, the one with the least room."""
    settings = Settings.from_env()
    folders = [folder for folder in (settings.state, settings.lake, Path(tempfile.gettempdir())) if folder]
    there = [next(path for path in (folder, *folder.absolute().parents) if path.is_dir()) for folder in folders]
    return min(there, key=_free, default=None)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
