"""A backup put back: everything is read, checked and loaded beside what is there before any of that is replaced.

The stack has to be down. The databases change their names in one transaction, and the folders theirs in it.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg2

from local_stack import disk
from local_stack.backups.archive import unpack
from local_stack.backups.dumps import client, server
from local_stack.backups.dumps import databases as names_of
from local_stack.backups.folders import folders_exchanged
from local_stack.database import databases
from local_stack.lifecycle import only_one
from local_stack.settings import Settings, StackError


def restore(settings: Settings, source: Path) -> None:
    """Replaces databases, artifacts and lake. Raises StackError; nothing is changed then."""
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        if source.is_file() and source.stat().st_size > disk.free_bytes(settings.state):
            raise StackError(
                f"The disk of {settings.state} has no room for {source}: {source.stat().st_size // disk.MB} MB are "
                f"needed, {disk.free_bytes(settings.state) // disk.MB} MB are free"
            )
        with only_one(settings), tempfile.TemporaryDirectory(dir=settings.state, prefix=".restore-") as scratch:
            manifest = unpack(source, Path(scratch))
            _require_same_place(settings, manifest)
            _put_back(settings, Path(scratch), manifest)
    except OSError as error:
        raise disk.translated(error, settings) from error


def _require_same_place(settings: Settings, manifest: dict[str, Any]) -> None:
    """MLflow keeps the full path of every artifact: elsewhere, no run would find its files."""
    if manifest.get("artifacts") != str(settings.artifacts):
        raise StackError(
            f"The backup's artifacts were in {manifest.get('artifacts')}, and MLflow knows them by that path. "
            "Restore there: STREAMFLOW_STATE and the project's folder have to be the same"
        )
    if manifest["databases"] != names_of(settings):
        raise StackError(f"The backup's databases are {manifest['databases']}. Set PGDATABASE and MLFLOW_DATABASE so")


def _put_back(settings: Settings, unpacked: Path, manifest: dict[str, Any]) -> None:
    names = names_of(settings)
    folders = {unpacked / "artifacts": settings.artifacts}
    if "format" in manifest:
        folders[unpacked / "lake"] = Path(settings.exported()["STREAMFLOW_LAKE"])
    else:
        print("  [WARNING] This backup, of an earlier version, has no Parquet files: duckdb and spark need each month "
              "ingested again", flush=True)  # fmt: skip
    with server(settings):
        try:
            for name in names:
                databases.make_anew(settings, databases.fresh(name))
                client(settings, "pg_restore", f"--dbname={databases.fresh(name)}", "--no-owner", "--no-privileges",
                       "--exit-on-error", str(unpacked / f"{name}.dump"))  # fmt: skip
            for inside, folder in manifest.get("elsewhere", {}).items():
                _put_back_missing(unpacked / inside, Path(folder))
            with folders_exchanged(list(folders.items())), databases.exchanged(settings, names):
                pass  # the databases' change is committed here
        except psycopg2.Error as error:
            raise StackError(f"PostgreSQL refused the exchange: {str(error).strip()}; nothing was changed") from error
        finally:
            for name in names:
                databases.drop(settings, databases.fresh(name), databases.replaced(name))


def _put_back_missing(source: Path, folder: Path) -> None:
    """Files of an experiment that keeps them elsewhere; what is there stays."""
    for path in sorted(source.rglob("*")):
        place = folder / path.relative_to(source)
        if path.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
