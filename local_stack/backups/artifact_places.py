"""Where MLflow keeps artifacts: most in the stack's own folder, some where a client of another stack put them."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2.errors

from local_stack.database import loaded, postgres
from local_stack.settings import Settings

INSIDE_MLFLOW = ("mlflow-artifacts", "models", "runs")  # the server's own store, or another name for a run's files


@dataclass(frozen=True)
class Places:
    """Of files outside the stack's artifacts: folder -> whose they are; and what no file system has."""

    folders: dict[Path, str]
    remote: dict[str, str]


def elsewhere(settings: Settings) -> Places:
    statement = (loaded.SQL_FOLDER / "artifact_places.sql").read_text()
    try:
        rows = postgres.ask(settings, settings["MLFLOW_DATABASE"], statement, {})
    except psycopg2.errors.UndefinedTable:
        rows = []  # MLflow never ran on it
    folders: dict[Path, str] = {}
    remote: dict[str, str] = {}
    for owner, location in rows:
        where = urlsplit(location or "")
        folder = Path(unquote(where.path) if where.scheme else location or "")
        if where.scheme not in ("", "file", *INSIDE_MLFLOW):
            remote[location] = owner
        elif where.scheme in ("", "file") and folder.is_absolute() and folder.is_dir():
            folders.setdefault(folder.resolve(), owner)
    return Places(_outermost(folders, settings.artifacts.resolve()), remote)


def _outermost(folders: dict[Path, str], known: Path) -> dict[Path, str]:
    """Without those below another one, or below what is known."""
    tops = {known, *folders}
    return {
        folder: owner for folder, owner in folders.items() if folder != known and not tops.intersection(folder.parents)
    }
