"""With a PostgreSQL server of the user's own."""

import os
import subprocess
from contextlib import closing

import psycopg
import pytest

from configuration import passwords
from local_stack.database import cluster, postgres, roles
from local_stack.settings import Settings, StackError
from local_stack.stack import Stack
from tests import sql


def test_a_missing_database_is_named_before_anything_starts(server: Settings) -> None:
    values = {**server.values, "STREAMFLOW_POSTGRES": "external"}
    with sql.as_superuser():  # PGUSER of such a server may connect to the database postgres
        values |= {name: os.environ[name] for name in ("PGUSER", "PGPASSWORD")}
    with pytest.raises(StackError) as error:
        Stack(Settings({**values, "MLFLOW_DATABASE": "nowhere"}))._start_postgres()
    address = f"127.0.0.1:{server['PGPORT']}"
    assert str(error.value) == f"MLFLOW_DATABASE=nowhere: no such database at {address}. Create it: createdb NAME"
    Stack(Settings(values))._start_postgres()


def test_a_role_with_a_password_is_used_and_another_is_not(server: Settings) -> None:
    values = {**server.values, "STREAMFLOW_POSTGRES": "external", "READER_PASSWORD": "mine"}
    settings = Settings({name: value for name, value in values.items() if name != "WATCHER_PASSWORD"})
    assert settings.login("reader") == {"PGUSER": "streamflow_reader", "PGPASSWORD": "mine"}
    assert settings.login("watcher") == {"PGUSER": "streamflow", "PGPASSWORD": server["PGPASSWORD"]}


def test_an_administrator_s_psql_makes_the_same_roles_as_the_stack(server: Settings) -> None:
    names = {"owner": "ac'me", "warehouse": "acme data", "mlflow_database": "acme ml"}
    variables = [option for name, value in names.items() for option in ("-v", f"{name}={value}")]
    login = {"PGUSER": cluster.SUPERUSER, "PGPASSWORD": str(passwords.superuser(server.state))}
    command = [str(postgres.program("psql")), *variables, "-d", "postgres", "-f", str(roles.FOLDER / "all.sql")]
    for _run in (1, 2):
        done = subprocess.run(command, env={**os.environ, **login}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    own = {**server.values, "PGUSER": "ac'me", "PGDATABASE": "acme data", "MLFLOW_DATABASE": "acme ml"}
    settings = Settings(own)
    by_psql = _described(settings)
    roles.apply(lambda database: postgres.connect_as_superuser(settings, database), settings)
    assert _described(settings) == by_psql
    assert by_psql["roles"][0][:3] == ("ac'me", False, -1)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(user="ac'me_reader", password=own["READER_PASSWORD"], dbname="acme ml")


ROLES = "SELECT rolname, rolsuper, rolconnlimit, rolconfig FROM pg_roles WHERE rolname LIKE 'ac''me%' ORDER BY 1"
DATABASES = (
    "SELECT datname, pg_get_userbyid(datdba), datacl::text FROM pg_database WHERE datname LIKE 'acme%' ORDER BY 1"
)
RIGHTS = """
SELECT oid::regprocedure::text, proacl::text FROM pg_proc WHERE proacl IS NOT NULL
UNION ALL SELECT nspname, nspacl::text FROM pg_namespace UNION ALL SELECT 'default', defaclacl::text FROM pg_default_acl
ORDER BY 1, 2
"""


def _described(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    described = {}
    queries = {"roles": ("postgres", ROLES), "databases": ("postgres", DATABASES)}
    for name, (database, query) in {**queries, **{name: (name, RIGHTS) for name in ("acme data", "acme ml")}}.items():
        with closing(postgres.connect_as_superuser(settings, database)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            described[name] = cursor.fetchall()
    return described
