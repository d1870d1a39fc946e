"""Each role may do what its part needs, and is refused all else, even if its session lifts every limit that it can."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import psycopg.errors
import pytest

from feature_store.deadline import Deadline
from feature_store.plans import make_plan
from feature_store.pool import OnlineReadError
from feature_store.postgres.reader import PostgresReader
from feature_store.store import apply_definitions, open_store
from local_stack.database import long_transactions, postgres, roles
from local_stack.settings import ROOT, Settings
from steps import materialize
from tests import sql
from tests.conftest import JANUARY
from tests.waiting import wait_until

STATEMENTS = ROOT / "deploy" / "containers" / "statements"
WITHOUT_LIMITS = " ".join(
    f"-c {name}"
    for name in (
        "default_transaction_read_only=off", "statement_timeout=0", "lock_timeout=0", "transaction_timeout=0",
        "idle_in_transaction_session_timeout=0",
    )
)  # fmt: skip
PARTS = {
    "reader": "PGDATABASE", "log": "PGDATABASE", "watcher": "PGDATABASE", "console": "PGDATABASE",
    "mlflow": "MLFLOW_DATABASE",
}  # fmt: skip
LISTS = [*PARTS.items(), ("watcher_in_mlflow", "MLFLOW_DATABASE"), ("console_in_mlflow", "MLFLOW_DATABASE")]


def connect(settings: Settings, part: str, variable: str, options: str = "") -> "psycopg.Connection[Any]":
    login = settings.login(part.removesuffix("_in_mlflow"))
    return psycopg.connect(
        user=login["PGUSER"], password=login["PGPASSWORD"], dbname=settings[variable], options=options
    )


def statements(name: str) -> list[str]:
    return (STATEMENTS / f"{name}.sql").read_text().splitlines()


@pytest.fixture
def tables(january_loaded: Settings) -> Settings:
    """All tables exist, as after the first month; the roles were made before them, and again after them."""
    store = open_store()
    apply_definitions(store)
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()
    postgres.apply_roles(january_loaded)
    return january_loaded


def test_each_role_can_do_what_its_part_needs(tables: Settings) -> None:
    for name, variable in LISTS:
        with closing(connect(tables, name, variable)) as connection:
            for statement in statements(f"{name}_may"):
                connection.execute(statement)
                connection.rollback()


@pytest.mark.parametrize(("name", "variable"), LISTS)
def test_all_other_statements_are_refused(tables: Settings, name: str, variable: str) -> None:
    allowed = []
    with closing(connect(tables, name, variable, WITHOUT_LIMITS)) as connection:
        for statement in statements(f"{name}_may_not") + statements("all_may_not"):
            connection.rollback()
            connection.autocommit = not statement.startswith("LOCK")
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                allowed.append(f"{statement}: {error}")
            else:
                allowed.append(statement)
    assert allowed == []


def test_no_role_connects_to_another_database(tables: Settings) -> None:
    databases = ["postgres", "template1", tables["PGDATABASE"], tables["MLFLOW_DATABASE"]]
    reached = set()
    for part in PARTS:
        for database in databases:
            login = tables.login(part)
            try:
                psycopg.connect(user=login["PGUSER"], password=login["PGPASSWORD"], dbname=database).close()
            except psycopg.OperationalError as error:
                assert "permission denied for database" in str(error)  # noqa: PT017 - others are reached
                continue
            reached.add((part, database))
    own = {(part, tables[variable]) for part, variable in PARTS.items()}
    assert reached == {*own, *((part, tables["MLFLOW_DATABASE"]) for part in ("watcher", "console"))}


def test_the_owner_is_no_superuser_and_runs_no_programs(tables: Settings) -> None:
    with closing(postgres.connect(tables, tables["PGDATABASE"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchall() == [(False,)]
        for statement in ("COPY (SELECT 1) TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/passwd')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect("") as owner:
                owner.execute(statement)


@pytest.mark.parametrize("part", PARTS)
def test_a_role_has_time_limits_and_a_limit_of_connections(tables: Settings, part: str) -> None:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "transaction_timeout")
    with closing(connect(tables, part, PARTS[part])) as connection:
        query = "SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)"
        values = dict(connection.execute(query, [list(limits)]).fetchall())
    assert set(values) == set(limits)
    assert all(0 < value <= 120_000 for value in values.values())
    with closing(postgres.connect_as_superuser(tables, "postgres")) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", (roles.name_of(tables, part),))
        assert 0 < cursor.fetchall()[0][0] < 50


def test_connections_past_the_limit_are_refused_and_the_owner_still_gets_one(tables: Settings) -> None:
    opened = [connect(tables, "watcher", "PGDATABASE") for _ in range(10)]
    try:
        with pytest.raises(psycopg.OperationalError, match='too many connections for role "streamflow_watcher"'):
            connect(tables, "watcher", "PGDATABASE")
        postgres.connect(tables, tables["PGDATABASE"]).close()
    finally:
        for connection in opened:
            connection.close()


def test_a_gateway_past_the_limit_says_so(tables: Settings) -> None:
    def limit(connections: int) -> None:
        with sql.as_superuser():
            sql.execute(f"ALTER ROLE streamflow_reader CONNECTION LIMIT {connections}")

    plan = make_plan("churn_v1")
    limit(0)
    try:
        with (
            mock.patch.dict(os.environ, tables.login("reader")),
            pytest.raises(OnlineReadError, match='too many connections for role "streamflow_reader"'),
        ):
            PostgresReader().read(plan, ["anna"], Deadline.after(5))
    finally:
        limit(40)


def test_the_limit_of_the_reader_grows_with_the_gateway_s_workers(server: Settings) -> None:
    assert roles.reader_connections(server) == 40
    assert roles.reader_connections(Settings({**server.values, "ENRICHER_WORKERS": "16"})) == 160


def test_limits_that_a_role_has_lifted_for_its_later_sessions_hold_again(tables: Settings) -> None:
    with closing(connect(tables, "reader", "PGDATABASE", WITHOUT_LIMITS)) as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = 0")
        connection.execute("ALTER ROLE CURRENT_USER IN DATABASE streamflow SET lock_timeout = 0")
        connection.commit()

    postgres.apply_roles(tables)

    with closing(connect(tables, "reader", "PGDATABASE")) as connection:
        query = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
        assert connection.execute(query).fetchall() == [("10s", "10s")]


@pytest.mark.parametrize("part", PARTS)
def test_a_transaction_whose_session_has_lifted_its_limits_is_ended_from_outside(tables: Settings, part: str) -> None:
    with closing(connect(tables, part, PARTS[part], WITHOUT_LIMITS)) as connection:
        connection.execute("SELECT 1")

        assert long_transactions.end_long_transactions(tables, longest_s=0) == [roles.name_of(tables, part)]

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_the_stack_looks_for_such_transactions_all_the_time(
    tables: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long_transactions, "EVERY_S", 0.1)
    monkeypatch.setattr(long_transactions, "LONGEST_S", 1)
    watch = long_transactions.LongTransactions(tables)
    watch.start()
    try:
        with closing(connect(tables, "reader", "PGDATABASE", WITHOUT_LIMITS)) as connection:
            connection.execute("SELECT 1")
            wait_until(lambda: "ended a session of streamflow_reader" in capsys.readouterr().out, 30)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
    finally:
        watch.stop()


def test_the_gateway_reads_tables_swapped_in_by_a_materialisation(tables: Settings, sample_months: Path) -> None:
    materialize.main(["--as-of", str(JANUARY)])
    user = (sample_months / "month_000" / "users.csv").read_text().splitlines()[1].split(",")[0]
    with mock.patch.dict(os.environ, tables.login("reader")):
        reader = PostgresReader()
        [row] = reader.read(make_plan("churn_v1"), [user], Deadline.after(5))
        reader.close()
    assert None not in row.features.values()
