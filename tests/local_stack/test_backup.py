"""make backup and make restore: what was there is there again, and a bad file changes nothing."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from local_stack import backup, postgres
from local_stack.settings import Settings, StackError
from tests.conftest import free_port, open_folder


@pytest.fixture(scope="module")
def own_state() -> Iterator[Settings]:
    """A stack's state with one row in each database and one artifact, and nothing that runs."""
    with open_folder() as folder:
        given = {"STREAMFLOW_STATE": str(folder / "state"), "PGPORT": str(free_port())}
        settings = Settings({**Settings.from_env().values, **given})
        postgres.start(settings)
        try:
            for database in ("streamflow", "mlflow"):
                tell(settings, database, f"CREATE TABLE kept AS SELECT '{database}' AS word")
            settings.artifacts.mkdir(parents=True)
            (settings.artifacts / "model.txt").write_text("a model")
            postgres.stop(settings)
            yield settings
        finally:
            postgres.stop(settings)


def tell(settings: Settings, database: str, statement: str) -> list[tuple[str, ...]]:
    connection = psycopg2.connect(
        host=settings["PGHOST"], port=settings["PGPORT"], user=settings["PGUSER"],
        password=settings["PGPASSWORD"], dbname=database,
    )  # fmt: skip
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def contents(settings: Settings) -> dict[str, list[tuple[str, ...]]]:
    postgres.start(settings)
    try:
        return {database: tell(settings, database, "SELECT word FROM kept") for database in ("streamflow", "mlflow")}
    finally:
        postgres.stop(settings)


def test_what_was_lost_is_there_again_after_a_restore(own_state: Settings, tmp_path: Path) -> None:
    file = backup.backup(own_state, tmp_path / "state.tar")
    postgres.start(own_state)
    tell(own_state, "streamflow", "DROP TABLE kept")
    tell(own_state, "mlflow", "UPDATE kept SET word = 'spoilt'")
    postgres.stop(own_state)
    (own_state.artifacts / "model.txt").write_text("another")
    (own_state.artifacts / "later.txt").touch()

    backup.restore(own_state, file)

    assert contents(own_state) == {"streamflow": [("streamflow",)], "mlflow": [("mlflow",)]}
    assert [(path.name, path.read_text()) for path in own_state.artifacts.iterdir()] == [("model.txt", "a model")]
    assert file.stat().st_mode & 0o077 == 0
    assert not postgres.is_running(own_state)


def test_a_backup_overwrites_nothing(own_state: Settings, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("mine")
    with pytest.raises(StackError, match="exists already"):
        backup.backup(own_state, tmp_path / "there.tar")
    assert (tmp_path / "there.tar").read_text() == "mine"


def test_a_file_that_is_no_backup_is_refused_and_changes_nothing(own_state: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w"):
        pass
    for file, message in ((tmp_path / "none.tar", "is not a backup"), (other, "no manifest")):
        with pytest.raises(StackError, match=message):
            backup.restore(own_state, file)
    assert contents(own_state)["streamflow"] == [("streamflow",)]


def test_a_file_that_would_write_elsewhere_is_refused(own_state: Settings, tmp_path: Path) -> None:
    for name in ("../outside", "/outside"):
        evil = tmp_path / "evil.tar"
        with tarfile.open(evil, "w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        with pytest.raises(StackError, match="leads out of it"):
            backup.restore(own_state, evil)
    assert not (own_state.state.parent / "outside").exists()


def test_a_backup_of_another_folder_is_refused(own_state: Settings, tmp_path: Path) -> None:
    file = backup.backup(own_state, tmp_path / "state.tar")
    moved = replace(own_state, values={**own_state.values, "STREAMFLOW_STATE": str(tmp_path / "moved")})
    with pytest.raises(StackError, match="knows them by that path"):
        backup.restore(moved, file)
    assert not (tmp_path / "moved" / "postgres").exists()
