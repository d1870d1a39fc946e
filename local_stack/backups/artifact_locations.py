"""MLflow's artifact locations: the stack's own folder, and others that clients of another stack chose."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2.errors

from local_stack.database import loaded_months, postgres
from local_stack.settings import Settings

INSIDE_MLFLOW = ("mlflow-artifacts", "models", "runs")  # the server's own store, or an alias of a run's files


@dataclass(frozen=True)
class Locations:
    """Artifacts outside the stack's folder: folder -> owner, and remote location -> owner."""

    folders: dict[Path, str]
    remote: dict[str, str]


def outside_locations(settings: Settings) -> Locations:
    statement = (loaded_months.SQL_FOLDER / "artifact_locations.sql").read_text()
    try:
        rows = postgres.query(settings, settings["MLFLOW_DATABASE"], statement, {})
    except psycopg2.errors.UndefinedTable:
        rows = []  # MLflow has not created its tables yet
    folders: dict[Path, str] = {}
    remote: dict[str, str] = {}
    for owner, location in rows:
        address = urlsplit(location or "")
        folder = Path(unquote(address.path) if address.scheme else location or "")
        if address.scheme not in ("", "file", *INSIDE_MLFLOW):
            remote[location] = owner
        elif address.scheme in ("", "file") and folder.is_absolute() and folder.is_dir():
            folders.setdefault(folder.resolve(), owner)
    return Locations(_outermost(folders, settings.artifacts.resolve()), remote)


def _outermost(folders: dict[Path, str], artifacts: Path) -> dict[Path, str]:
    """Without the folders below another one or below `artifacts`."""
    tops = {artifacts, *folders}
    return {
        folder: owner
        for folder, owner in folders.items()
        if folder != artifacts and not tops.intersection(folder.parents)
    }
