"""Reports a full disk in one line: which folder, and how much is free."""

import errno
import shutil
import tempfile
from pathlib import Path

from local_stack.settings import Settings, StackError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_SPACE = "No space left on device"  # in the output of PostgreSQL's programs
ALMOST_FULL_BYTES = 32 << 20  # two segments of PostgreSQL's log: with less it cannot start or write
MB = 1 << 20


def full_folder(settings: Settings, *folders: Path) -> Path | None:
    """The first of `folders` and the stack's own folders with less than ALMOST_FULL_BYTES free."""
    candidates = (*folders, settings.state, Path(settings.exported()["STREAMFLOW_LAKE"]), Path(tempfile.gettempdir()))
    return next((folder for folder in map(_existing, candidates) if free_bytes(folder) < ALMOST_FULL_BYTES), None)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def full(folder: Path) -> StackError:
    return StackError(
        f"The disk of {folder} is full ({free_bytes(folder) // MB} MB free). Free some space, or use another folder "
        "(STREAMFLOW_STATE, STREAMFLOW_LAKE, TMPDIR, make backup TO=)"
    )


def full_or(settings: Settings, message: str) -> StackError:
    """An error for the full disk, if there is one; else for `message`."""
    folder = full_folder(settings)
    return full(folder) if folder else StackError(message)


def stack_error(error: OSError, settings: Settings, *folders: Path) -> StackError:
    """The error, in one line, of a file that cannot be written or read."""
    named = [Path(str(error.filename)).parent] if error.filename else []
    if error.errno in FULL:
        return full(full_folder(settings, *folders, *named) or (folders or tuple(named) or (settings.state,))[0])
    return StackError(f"{error.filename or 'A file'}: {error.strerror or error}")


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
