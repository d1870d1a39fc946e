"""Restores a backup: everything is read, checked and loaded beside the current state before that is replaced.

The stack must be down. The databases are renamed in one transaction; the folders are renamed within it.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg2

from local_stack import disk
from local_stack.backups.archive import unpack
from local_stack.backups.dumps import client, server
from local_stack.backups.dumps import databases as database_names
from local_stack.backups.folders import folders_swapped
from local_stack.database import databases
from local_stack.lifecycle import only_one
from local_stack.settings import Settings, StackError

TRUST = (
    "A backup is trusted like code: its models run here, and its databases choose them. Restore only a file of your own"
)


def restore(settings: Settings, source: Path) -> None:
    """Replace databases, artifacts and lake. Raises StackError and then changes nothing."""
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        print(f"  {TRUST}", flush=True)
        if source.is_file() and source.stat().st_size > disk.free_bytes(settings.state):
            raise StackError(
                f"The disk of {settings.state} is too small for {source}: {source.stat().st_size // disk.MB} MB are "
                f"needed, {disk.free_bytes(settings.state) // disk.MB} MB are free"
            )
        with only_one(settings), tempfile.TemporaryDirectory(dir=settings.state, prefix=".restore-") as scratch:
            manifest = unpack(source, Path(scratch))
            _require_same_folder(settings, manifest)
            _replace_state(settings, Path(scratch), manifest)
    except OSError as error:
        raise disk.stack_error(error, settings) from error


def _require_same_folder(settings: Settings, manifest: dict[str, Any]) -> None:
    """MLflow stores every artifact's full path: in another folder no run would find its files."""
    if manifest.get("artifacts") != str(settings.artifacts):
        raise StackError(
            f"The backup's artifacts were in {manifest.get('artifacts')}, and MLflow has stored that path. "
            "Restore with the same STREAMFLOW_STATE and project folder"
        )
    if manifest["databases"] != database_names(settings):
        raise StackError(
            f"The backup's databases are {manifest['databases']}. Set PGDATABASE and MLFLOW_DATABASE to these names"
        )


def _replace_state(settings: Settings, unpacked: Path, manifest: dict[str, Any]) -> None:
    names = database_names(settings)
    folders = {unpacked / "artifacts": settings.artifacts}
    if "format" in manifest:
        folders[unpacked / "lake"] = Path(settings.exported()["STREAMFLOW_LAKE"])
    else:
        print("  [WARNING] This backup of an earlier version has no Parquet files: ingest each month again for duckdb "
              "and spark", flush=True)  # fmt: skip
    if (unpacked / "seal").is_dir():  # backups from before seals leave the keys as they are
        folders[unpacked / "seal"] = settings.seal_keys
    with server(settings):
        try:
            for name in names:
                restored = databases.restored_name(name)
                databases.recreate(settings, restored)
                client(settings, "pg_restore", f"--dbname={restored}", "--no-owner", "--no-privileges",
                       "--exit-on-error", str(unpacked / f"{name}.dump"))  # fmt: skip
            for member, folder in manifest.get("elsewhere", {}).items():
                _restore_missing(unpacked / member, Path(folder))
            with folders_swapped(list(folders.items())), databases.swapped(settings, names):
                pass  # the renaming of the databases is committed here
        except psycopg2.Error as error:
            raise StackError(
                f"PostgreSQL refused to swap the databases: {str(error).strip()}; nothing was changed"
            ) from error
        finally:
            for name in names:
                databases.drop(settings, databases.restored_name(name), databases.replaced_name(name))


def _restore_missing(source: Path, folder: Path) -> None:
    """Copy the missing files of an experiment with its own location; existing files stay."""
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
