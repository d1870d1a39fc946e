"""The passwords of the stack's own PostgreSQL: made once, in a file of the state folder that only its owner reads."""

import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values

FILE_NAME = "passwords"
OWNER = "PGPASSWORD"
OF_ROLES = {
    "mlflow": "MLFLOW_DATABASE_PASSWORD", "watcher": "WATCHER_PASSWORD", "reader": "READER_PASSWORD",
    "log": "PREDICTION_LOG_PASSWORD", "console": "CONSOLE_DATABASE_PASSWORD",
}  # fmt: skip
NAMES = (OWNER, *OF_ROLES.values())
SUPERUSER = "SUPERUSER_PASSWORD"  # in the file only: no process gets it in its environment
# those of .env.example until they were made
PUBLISHED = {OWNER: "streamflow", "READER_PASSWORD": "streamflow_reader"}
HEAD = "# The passwords of the PostgreSQL roles of this folder. .env wins. Written by local_stack.\n"


def made(state: Path) -> dict[str, str]:
    """The roles' passwords; missing ones are made."""
    existing = _read(state)
    if missing := [name for name in NAMES if name not in existing]:
        existing = _write(state, {**{name: new() for name in missing}, **existing}, replace=bool(existing))
    return {name: existing[name] for name in NAMES}


def new() -> str:
    return secrets.token_urlsafe(24)


def superuser(state: Path) -> str | None:
    """None for a cluster from before there was one."""
    return _read(state).get(SUPERUSER)


def save_superuser(state: Path, password: str) -> None:
    _write(state, {**_read(state), SUPERUSER: password}, replace=True)


def published(values: Mapping[str, str]) -> list[str]:
    """The variables whose password everybody knows."""
    return [name for name, password in PUBLISHED.items() if values.get(name) == password]


def _read(state: Path) -> dict[str, str]:
    """Closes the file to others first if it is open to them."""
    path = state / FILE_NAME
    with suppress(FileNotFoundError):
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    return {}


def _write(state: Path, passwords: Mapping[str, str], *, replace: bool) -> dict[str, str]:
    """Returns what the file then has: without `replace`, another process may have been first."""
    state.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=state, prefix=f".{FILE_NAME}-")  # 0600 from the start
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(HEAD + "".join(f"{name}={value}\n" for name, value in passwords.items()))
        if replace:
            fresh.replace(state / FILE_NAME)
        else:
            with suppress(FileExistsError):
                (state / FILE_NAME).hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
    return _read(state)
