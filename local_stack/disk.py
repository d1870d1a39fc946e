"""A disk that is full, said in one line: which folder, and how much is left."""

import errno
import shutil
import tempfile
from pathlib import Path

from local_stack.settings import Settings, StackError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_SPACE = "No space left on device"  # as PostgreSQL's programs say it
ALMOST_FULL_BYTES = 32 << 20  # two segments of PostgreSQL's log: below, it cannot start or write
MB = 1 << 20


def full_folder(settings: Settings, *more: Path) -> Path | None:
    """The first of the folders that the stack writes to whose disk is all but full."""
    folders = (*more, settings.state, Path(settings.exported()["STREAMFLOW_LAKE"]), Path(tempfile.gettempdir()))
    return next((folder for folder in map(_existing, folders) if free_bytes(folder) < ALMOST_FULL_BYTES), None)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def full(folder: Path) -> StackError:
    return StackError(
        f"The disk of {folder} is full ({free_bytes(folder) // MB} MB free). Make room there, or choose another folder "
        "(STREAMFLOW_STATE, STREAMFLOW_LAKE, TMPDIR, make backup TO=)"
    )


def full_or(settings: Settings, otherwise: str) -> StackError:
    """That a disk is full, if one is; else the text."""
    folder = full_folder(settings)
    return full(folder) if folder else StackError(otherwise)


def translated(error: OSError, settings: Settings, *more: Path) -> StackError:
    """One line for a file that cannot be written or read."""
    named = [Path(str(error.filename)).parent] if error.filename else []
    if error.errno in FULL:
        return full(full_folder(settings, *more, *named) or (more or tuple(named) or (settings.state,))[0])
    return StackError(f"{error.filename or 'A file'}: {error.strerror or error}")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
