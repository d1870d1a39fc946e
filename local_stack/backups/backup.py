"""Writes the state to one file: the dumps of both databases, the artifacts, the lake and the keys that sign seals.

The stack may run meanwhile. The warehouse's dump and the lake show one moment between two loads. Artifacts are only
added, and are copied after the dumps: every artifact that the databases name is in the file.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psycopg2.errors

from local_stack import disk
from local_stack.backups import artifact_locations
from local_stack.backups.archive import Archive, new_archive, private_files
from local_stack.backups.dumps import client, databases, server
from local_stack.backups.restoring import restore
from local_stack.database import postgres
from local_stack.database.loaded_months import SQL_FOLDER
from local_stack.settings import Settings, StackError

__all__ = ["backup", "restore"]

LOAD_WAIT_MS = 600_000


def backup(settings: Settings, target: Path | None) -> Path:
    """Returns the file. Raises StackError; an incomplete backup never has the final name."""
    target = target or Path("backups") / f"streamflow-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar"
    if target.exists():
        raise StackError(f"{target} already exists. Name another file: make backup TO=FILE")
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            server(settings),
            private_files(),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch,
            new_archive(partial) as archive,
        ):
            _write(settings, archive, Path(scratch))
        return partial.rename(target)
    except OSError as error:
        raise disk.stack_error(error, settings, target.parent) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _write(settings: Settings, archive: Archive, scratch: Path) -> None:
    with _between_loads(settings, scratch) as (snapshot, lake):
        _dump(settings, archive, scratch, settings["PGDATABASE"], f"--snapshot={snapshot}")
        if lake.is_dir():
            archive.add(lake, "lake")
    _dump(settings, archive, scratch, settings["MLFLOW_DATABASE"])
    if settings.artifacts.is_dir():
        archive.add(settings.artifacts, "artifacts")
    if settings.seal_keys.is_dir():
        archive.add(settings.seal_keys, "seal")
    locations = artifact_locations.outside_locations(settings)
    members = {f"elsewhere/{number}": str(folder) for number, folder in enumerate(locations.folders)}
    for (name, folder), owner in zip(members.items(), locations.folders.values(), strict=True):
        print(f"  {owner} keeps its artifacts in {folder}: included", flush=True)
        archive.add(Path(folder), name)
    for location, owner in locations.remote.items():
        print(f"  [WARNING] {owner} keeps its artifacts in {location}: NOT in this backup", flush=True)
    facts = {"format": 2, "artifacts": str(settings.artifacts), "databases": databases(settings)}
    archive.close(scratch, {**facts, "elsewhere": members})


def _dump(settings: Settings, archive: Archive, scratch: Path, database: str, *options: str) -> None:
    """Without privileges: they name roles that a new machine does not have. The reader's are set at every start."""
    dump = scratch / f"{database}.dump"
    client(
        settings, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", *options, database
    )
    archive.add(dump, dump.name)
    dump.unlink()


@contextmanager
def _between_loads(settings: Settings, scratch: Path) -> Iterator[tuple[str, Path]]:
    """The id of a warehouse snapshot for pg_dump, and the lake's files at the same moment. Loads wait meanwhile."""
    with closing(postgres.connect(settings, settings["PGDATABASE"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (str(LOAD_WAIT_MS),))
        try:
            cursor.execute((SQL_FOLDER / "lock_loads.sql").read_text())
        except psycopg2.errors.LockNotAvailable as error:
            raise StackError(
                f"A step has been loading for {LOAD_WAIT_MS // 1000} s. Run make backup again when it is done"
            ) from error
        connection.commit()
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor.execute("SELECT pg_export_snapshot()")
        ((snapshot,),) = cursor.fetchall()
        lake = Path(settings.exported()["STREAMFLOW_LAKE"])
        with _linked(lake, scratch) as links:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            yield str(snapshot), links


@contextmanager
def _linked(lake: Path, scratch: Path) -> Iterator[Path]:
    """Hard links to the lake's files, which loads do not replace; copies if the file system has no hard links."""
    if not lake.is_dir():
        yield lake
        return
    links = Path(tempfile.mkdtemp(dir=lake.parent, prefix=".backup-"))
    try:
        try:
            shutil.copytree(lake, links / "lake", copy_function=os.link)
            yield links / "lake"
        except shutil.Error:
            shutil.copytree(lake, scratch / "lake")
            yield scratch / "lake"
    finally:
        shutil.rmtree(links, ignore_errors=True)
