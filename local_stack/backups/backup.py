"""The state in one file: both databases as PostgreSQL dumps them, the artifacts, and the lake.

A backup may be made while the stack runs. The warehouse's dump and the lake are of one moment between two loads. The
dumps come first and artifacts are only ever added, so that whatever the databases name is in the file.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from local_stack import disk
from local_stack.backups import artifact_places
from local_stack.backups.archive import Archive, new_archive
from local_stack.backups.dumps import client, databases, server
from local_stack.backups.restoring import restore
from local_stack.database import postgres
from local_stack.database.loaded import SQL_FOLDER
from local_stack.settings import Settings, StackError

__all__ = ["backup", "restore"]

LOAD_WAIT_MS = 600_000


def backup(settings: Settings, target: Path | None) -> Path:
    """Returns the file. Raises StackError; half a backup never gets the name."""
    target = target or Path("backups") / f"streamflow-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar"
    if target.exists():
        raise StackError(f"{target} exists already. Name another: make backup TO=file")
    half = target.with_name(f".{target.name}.half")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            server(settings),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch,
            new_archive(half) as archive,
        ):
            _write(settings, archive, Path(scratch))
        return half.rename(target)
    except OSError as error:
        raise disk.translated(error, settings, target.parent) from error
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)


def _write(settings: Settings, archive: Archive, scratch: Path) -> None:
    with _between_loads(settings, scratch) as (snapshot, lake):
        _dump(settings, archive, scratch, settings["PGDATABASE"], f"--snapshot={snapshot}")
        if lake.is_dir():
            archive.add(lake, "lake")
    _dump(settings, archive, scratch, settings["MLFLOW_DATABASE"])
    if settings.artifacts.is_dir():
        archive.add(settings.artifacts, "artifacts")
    places = artifact_places.elsewhere(settings)
    elsewhere = {f"elsewhere/{number}": str(folder) for number, folder in enumerate(places.folders)}
    for (name, folder), owner in zip(elsewhere.items(), places.folders.values(), strict=True):
        print(f"  {owner} keeps its artifacts in {folder}: included", flush=True)
        archive.add(Path(folder), name)
    for location, owner in places.remote.items():
        print(f"  [WARNING] {owner} keeps its artifacts in {location}: NOT in this backup", flush=True)
    facts = {"format": 2, "artifacts": str(settings.artifacts), "databases": databases(settings)}
    archive.close(scratch, {**facts, "elsewhere": elsewhere})


def _dump(settings: Settings, archive: Archive, scratch: Path, database: str, *options: str) -> None:
    """Without privileges: they name roles that an empty machine does not have. The reader's are made at every start."""
    dump = scratch / f"{database}.dump"
    client(
        settings, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", *options, database
    )
    archive.add(dump, dump.name)
    dump.unlink()


@contextmanager
def _between_loads(settings: Settings, scratch: Path) -> Iterator[tuple[str, Path]]:
    """A snapshot of the warehouse for pg_dump, and the lake's files of the same moment. Loads wait for that moment."""
    with closing(postgres.connect(settings, settings["PGDATABASE"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (str(LOAD_WAIT_MS),))
        cursor.execute((SQL_FOLDER / "lock_loads.sql").read_text())
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
    """The lake's files by another name, which loads do not replace; copies where there are no hard links."""
    if not lake.is_dir():
        yield lake
        return
    beside = Path(tempfile.mkdtemp(dir=lake.parent, prefix=".backup-"))
    try:
        try:
            shutil.copytree(lake, beside / "lake", copy_function=os.link)
            yield beside / "lake"
        except shutil.Error:
            shutil.copytree(lake, scratch / "lake")
            yield scratch / "lake"
    finally:
        shutil.rmtree(beside, ignore_errors=True)
