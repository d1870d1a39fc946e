"""make backup and make restore: the state is restored, and a bad file changes nothing."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from local_stack import chain
from local_stack.backups import archive, backup
from local_stack.database import loaded_months, postgres
from local_stack.settings import Settings, StackError
from sealing import keys
from steps.warehouse.connection import SCHEMA_LOCK
from tests.conftest import free_port, open_folder, small_disk


@pytest.fixture(scope="module")
def own_state() -> Iterator[Settings]:
    """A stopped stack's state, with one row in each database and one artifact."""
    with open_folder() as folder:
        overrides = {"STREAMFLOW_STATE": str(folder / "state"), "PGPORT": str(free_port()), "STREAMFLOW_LAKE": "lake"}
        settings = Settings({**Settings.from_env().values, **overrides})
        postgres.start(settings)
        try:
            for database in ("streamflow", "mlflow"):
                run_sql(settings, database, f"CREATE TABLE kept AS SELECT '{database}' AS value")
            settings.artifacts.mkdir(parents=True)
            (settings.artifacts / "model.txt").write_text("a model")
            lake(settings).parent.mkdir(parents=True)
            lake(settings).write_text("a month")
            keys.make_pair(settings.seal_keys / "private.pem")
            postgres.stop(settings)
            yield settings
        finally:
            postgres.stop(settings)


def run_sql(settings: Settings, database: str, statement: str) -> list[tuple[str, ...]]:
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


def lake(settings: Settings) -> Path:
    return settings.state / "lake" / "usage" / "snapshot.parquet"


def contents(settings: Settings) -> dict[str, list[tuple[str, ...]]]:
    postgres.start(settings)
    try:
        return {
            database: run_sql(settings, database, "SELECT value FROM kept") for database in ("streamflow", "mlflow")
        }
    finally:
        postgres.stop(settings)


def test_a_restore_brings_back_lost_data(own_state: Settings, tmp_path: Path) -> None:
    file = backup.backup(own_state, tmp_path / "state.tar")
    postgres.start(own_state)
    run_sql(own_state, "streamflow", "DROP TABLE kept")
    run_sql(own_state, "mlflow", "UPDATE kept SET value = 'spoilt'")
    postgres.stop(own_state)
    (own_state.artifacts / "model.txt").write_text("another")
    (own_state.artifacts / "later.txt").touch()
    lake(own_state).write_text("another month")
    private = own_state.seal_keys / "private.pem"
    key = private.read_bytes()
    shutil.rmtree(own_state.seal_keys)

    backup.restore(own_state, file)

    assert contents(own_state) == {"streamflow": [("streamflow",)], "mlflow": [("mlflow",)]}
    assert [(path.name, path.read_text()) for path in own_state.artifacts.iterdir()] == [("model.txt", "a model")]
    assert lake(own_state).read_text() == "a month"
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in own_state.state.iterdir()) == [
        "artifacts", "lake", "lock", "passwords", "postgres", "seal",
    ]  # fmt: skip
    assert (private.read_bytes(), private.stat().st_mode & 0o777) == (key, 0o600)
    keys.make_pair(private)  # the pair is whole
    assert [path.name for path in tmp_path.iterdir()] == ["state.tar"]
    assert not postgres.is_running(own_state)


def test_a_backup_overwrites_nothing(own_state: Settings, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("mine")
    with pytest.raises(StackError, match="already exists"):
        backup.backup(own_state, tmp_path / "there.tar")
    assert (tmp_path / "there.tar").read_text() == "mine"


def test_a_file_that_is_not_a_backup_is_refused_and_changes_nothing(own_state: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w"):
        pass
    for file, message in ((tmp_path / "none.tar", "is not a backup"), (other, "no readable manifest")):
        with pytest.raises(StackError, match=message):
            backup.restore(own_state, file)
    assert contents(own_state)["streamflow"] == [("streamflow",)]


def test_a_backup_with_paths_outside_its_folder_is_refused(own_state: Settings, tmp_path: Path) -> None:
    for name in ("../outside", "/outside"):
        evil = tmp_path / "evil.tar"
        with tarfile.open(evil, "w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        with pytest.raises(StackError, match="is outside the backup's folder"):
            backup.restore(own_state, evil)
    assert not (own_state.state.parent / "outside").exists()


def test_a_backup_of_another_state_folder_is_refused(own_state: Settings, tmp_path: Path) -> None:
    file = backup.backup(own_state, tmp_path / "state.tar")
    moved = replace(own_state, values={**own_state.values, "STREAMFLOW_STATE": str(tmp_path / "moved")})
    with pytest.raises(StackError, match="MLflow has stored that path"):
        backup.restore(moved, file)
    assert not (tmp_path / "moved" / "postgres").exists()


def test_a_backup_is_restored_on_a_new_machine(own_state: Settings, tmp_path: Path) -> None:
    """The gateway's role, which the backup's tables are granted to, does not exist there."""
    postgres.start(own_state)
    run_sql(own_state, "streamflow", "CREATE TABLE feast_online.granted AS SELECT 1 AS one")
    run_sql(own_state, "streamflow", "GRANT SELECT ON feast_online.granted TO streamflow_reader")
    postgres.stop(own_state)
    file = backup.backup(own_state, tmp_path / "state.tar")
    shutil.rmtree(own_state.state)

    backup.restore(own_state, file)

    assert contents(own_state) == {"streamflow": [("streamflow",)], "mlflow": [("mlflow",)]}
    assert lake(own_state).read_text() == "a month"
    postgres.start(own_state)
    granted = "SELECT has_table_privilege('streamflow_reader', 'feast_online.granted', 'SELECT')::text"
    assert run_sql(own_state, "streamflow", granted) == [("true",)]
    postgres.stop(own_state)


def test_artifacts_outside_the_state_folder_are_in_the_backup(
    own_state: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "mlruns"
    (other / "1" / "run").mkdir(parents=True)
    (other / "1" / "run" / "model.txt").write_text("of another experiment")
    postgres.start(own_state)
    run_sql(
        own_state, "mlflow", EXPERIMENTS.format(elsewhere=(other / "1").as_uri(), usual=own_state.artifacts.as_uri())
    )
    try:
        file = backup.backup(own_state, tmp_path / "state.tar")
    finally:
        run_sql(own_state, "mlflow", "DROP TABLE experiments, runs, model_versions")
        postgres.stop(own_state)
    shutil.rmtree(other)

    backup.restore(own_state, file)

    assert (other / "1" / "run" / "model.txt").read_text() == "of another experiment"
    output = capsys.readouterr().out
    assert f"experiment other keeps its artifacts in {other / '1'}: included" in output
    assert "[WARNING] experiment far keeps its artifacts in s3://bucket/far: NOT in this backup" in output
    assert "streamflow keeps" not in output


EXPERIMENTS = """
CREATE TABLE experiments AS SELECT * FROM (VALUES (1, 'streamflow', '{usual}/streamflow'), (2, 'other', '{elsewhere}'),
    (3, 'far', 's3://bucket/far')) AS listed (experiment_id, name, artifact_location);
CREATE TABLE runs AS SELECT 2 AS experiment_id, '{elsewhere}/run/artifacts' AS artifact_uri;
CREATE TABLE model_versions AS SELECT 1 AS version, 'm' AS name, NULL AS storage_location, 'models:/m-1' AS source
"""


def test_mlflows_tables_have_the_columns_of_the_query(tracking: str, server: Settings) -> None:
    """The artifact locations that a backup reads from MLflow's database."""
    statement = (loaded_months.SQL_FOLDER / "artifact_locations.sql").read_text()
    locations = dict(postgres.query(server, server["MLFLOW_DATABASE"], statement, {}))
    assert locations[f"experiment {chain.EXPERIMENT}"] == (server.artifacts / chain.EXPERIMENT).as_uri()


def test_a_truncated_or_changed_backup_is_refused_and_changes_nothing(own_state: Settings, tmp_path: Path) -> None:
    whole = backup.backup(own_state, tmp_path / "state.tar").read_bytes()
    bad = tmp_path / "bad.tar"
    before = contents(own_state)
    lengths = range(0, whole.index(b'"databases"'), len(whole) // 12)
    changed = (b"PGDMP", b"a model", b"a month", b"artifacts/model.txt", b"manifest.json", b'"databases"')
    positions = [*map(whole.index, changed), whole.rindex(b"PGDMP") + 300]
    for text in [*(whole[:length] for length in lengths), *(_flipped(whole, position) for position in positions)]:
        bad.write_bytes(text)
        with pytest.raises(StackError, match=r"FROM=.*bad\.tar is (not a backup|damaged|not a StreamFlow backup)"):
            backup.restore(own_state, bad)
    assert contents(own_state) == before
    assert (own_state.artifacts / "model.txt").read_text() == "a model"


def _flipped(whole: bytes, position: int) -> bytes:
    return whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]


def test_a_database_that_cannot_be_loaded_changes_nothing(own_state: Settings, tmp_path: Path) -> None:
    file, good = tmp_path / "odd.tar", tmp_path / "good"
    archive.unpack(backup.backup(own_state, tmp_path / "state.tar"), good)
    (good / "mlflow.dump").write_text("not a dump")
    facts = json.loads((good / "manifest.json").read_text())
    with archive.new_archive(file) as rewritten:
        for name in ("streamflow.dump", "mlflow.dump", "artifacts", "lake"):
            rewritten.add(good / name, name)
        rewritten.close(tmp_path, facts)
    (own_state.artifacts / "model.txt").write_text("newer")
    with pytest.raises(StackError, match="pg_restore failed"):
        backup.restore(own_state, file)
    assert contents(own_state) == {"streamflow": [("streamflow",)], "mlflow": [("mlflow",)]}
    assert (own_state.artifacts / "model.txt").read_text() == "newer"
    postgres.start(own_state)
    leftover = run_sql(
        own_state, "streamflow", "SELECT datname FROM pg_database WHERE datname ~ '_(restored|replaced)$'"
    )
    postgres.stop(own_state)
    assert leftover == []


def test_a_full_disk_is_named_and_nothing_is_left_on_it(own_state: Settings, tmp_path: Path) -> None:
    (own_state.artifacts / "large").write_bytes(bytes(2 << 20))
    with small_disk(tmp_path / "small", "1m") as small:
        with pytest.raises(StackError, match=rf"The disk of {small} is full \(\d+ MB free\)"):
            backup.backup(own_state, small / "state.tar")
        assert list(small.iterdir()) == []
    (own_state.artifacts / "large").unlink()


def test_backups_and_ingest_use_the_same_lock() -> None:
    assert f"pg_advisory_lock({SCHEMA_LOCK})" in (loaded_months.SQL_FOLDER / "lock_loads.sql").read_text()


def test_a_backup_has_the_prediction_log_and_the_restored_role_appends_to_it(
    own_state: Settings, tmp_path: Path
) -> None:
    postgres.start(own_state)
    loaded_months.migrate(own_state)
    postgres.apply_roles(own_state)
    insert = "INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) SELECT"
    for moment in ("now()", "timestamptz '2099-01-01'"):
        run_sql(own_state, "streamflow", f"{insert} {moment}, 'r', 'u', 'ok', 0.1")
    places = "SELECT *, tableoid::regclass::text FROM prediction_log ORDER BY answered_at"
    before = run_sql(own_state, "streamflow", places)
    postgres.stop(own_state)
    file = backup.backup(own_state, tmp_path / "state.tar")

    backup.restore(own_state, file)

    postgres.start(own_state)
    postgres.apply_roles(own_state)
    assert run_sql(own_state, "streamflow", places) == before
    as_log = replace(own_state, values={**own_state.values, **own_state.login("log")})
    run_sql(as_log, "streamflow", f"{insert} now(), 'r', 'new', 'ok', 0.1")
    assert len(run_sql(own_state, "streamflow", places)) == len(before) + 1
    postgres.stop(own_state)
