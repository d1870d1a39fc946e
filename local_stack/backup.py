"""The state in one file, and back: both databases as PostgreSQL dumps them, and the artifacts.

A backup may be made while the stack runs: the dumps come first and artifacts are only ever added, so that whatever the
databases name is in the file. To restore, the stack has to be down.
"""

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from local_stack import postgres
from local_stack.guards import only_one
from local_stack.settings import Settings, StackError

DUMP_TIMEOUT_S = 3600
MANIFEST = "manifest.json"


def backup(settings: Settings, target: Path | None) -> Path:
    """Returns the file. Raises StackError; half a backup never gets the name."""
    target = target or Path("backups") / f"streamflow-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar"
    if target.exists():
        raise StackError(f"{target} exists already. Name another: make backup TO=file")
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".half")
    with _server(settings), tempfile.TemporaryDirectory() as scratch, tarfile.open(half, "w") as archive:
        for database in _databases(settings):
            dump = Path(scratch) / f"{database}.dump"
            _client(settings, "pg_dump", "--format=custom", f"--file={dump}", database)
            archive.add(dump, dump.name)
        manifest = Path(scratch) / MANIFEST
        manifest.write_text(json.dumps({"artifacts": str(settings.artifacts), "databases": _databases(settings)}))
        archive.add(manifest, MANIFEST)
        if settings.artifacts.is_dir():
            archive.add(settings.artifacts, "artifacts")
    half.chmod(0o600)  # it holds all that is known of the customers
    return half.rename(target)


def restore(settings: Settings, source: Path) -> None:
    """Replaces databases and artifacts; each only once its successor is complete. Raises StackError."""
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise StackError(f"FROM={source} is not a backup. Give a file that make backup wrote")
    settings.state.mkdir(parents=True, exist_ok=True)
    with (
        only_one(settings),
        tempfile.TemporaryDirectory(dir=settings.state) as scratch,
        tarfile.open(source) as archive,
    ):
        archive.extractall(scratch, members=_plain_members(archive))  # noqa: S202 - they are checked
        unpacked = Path(scratch)
        _require_same_place(settings, unpacked / MANIFEST)
        with _server(settings):
            for database in _databases(settings):
                fresh = f"{database}_restored"
                postgres.make_anew(settings, fresh)
                _client(settings, "pg_restore", f"--dbname={fresh}", "--no-owner", "--exit-on-error",
                        str(unpacked / f"{database}.dump"))  # fmt: skip
            for database in _databases(settings):
                postgres.put_in_place(settings, f"{database}_restored", database)
        shutil.rmtree(settings.artifacts, ignore_errors=True)
        if (unpacked / "artifacts").is_dir():
            (unpacked / "artifacts").rename(settings.artifacts)


def _plain_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Raises StackError for what no backup holds. (tarfile's own filter came with Python 3.11.4.)"""
    members = archive.getmembers()
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise StackError(
                f"The file is no backup of StreamFlow's: {member.name} leads out of it, or is no plain file"
            )
    return members


def _require_same_place(settings: Settings, manifest: Path) -> None:
    """MLflow keeps the full path of every artifact: elsewhere, no run would find its files."""
    try:
        made_with = json.loads(manifest.read_text())
    except (OSError, ValueError) as error:
        raise StackError("The file is no backup of StreamFlow's: it has no manifest that can be read") from error
    if made_with["artifacts"] != str(settings.artifacts):
        raise StackError(
            f"The backup's artifacts were in {made_with['artifacts']}, and MLflow knows them by that path. "
            "Restore there: STREAMFLOW_STATE and the project's folder have to be the same"
        )
    if made_with["databases"] != _databases(settings):
        raise StackError(f"The backup's databases are {made_with['databases']}. Set PGDATABASE and MLFLOW_DATABASE so")


def _databases(settings: Settings) -> list[str]:
    return [settings["PGDATABASE"], settings["MLFLOW_DATABASE"]]


@contextmanager
def _server(settings: Settings) -> Iterator[None]:
    """PostgreSQL for the time of the block; one that runs already goes on."""
    starts_here = settings.embedded and not postgres.is_running(settings)
    if starts_here:
        postgres.start(settings)
    try:
        yield
    finally:
        if starts_here:
            postgres.stop(settings)


def _client(settings: Settings, program: str, *arguments: str) -> None:
    """Raises StackError with what the program said."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
        [str(postgres.program(program)), *arguments],
        env=settings.child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DUMP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise StackError(f"{program} failed: {done.stdout.strip()}")
