"""Volumes from before there were roles, in which PGUSER is the superuser that initdb made.

PostgreSQL cannot demote that one: it is renamed to postgres, and a new role PGUSER gets all that it owned. Safe to
repeat, also after a start that was killed.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

SUPERUSER = "postgres"
HELPER = "streamflow_upgrade"  # a session cannot rename its own role
OBJECTS = Path(__file__).parent / "sql" / "own_objects.sql"

Connect = Callable[[str, str], Connection]
"""user, database -> a connection"""


def replace(connect: Connect, owner: str, databases: Iterable[str]) -> None:
    if not _exists(connect):
        _execute(
            connect(owner, "postgres"), sql.SQL(f"DROP ROLE IF EXISTS {HELPER}; CREATE ROLE {HELPER} SUPERUSER LOGIN")
        )
        rename = sql.SQL(f"ALTER ROLE {{owner}} RENAME TO {SUPERUSER}; CREATE ROLE {{owner}} LOGIN")
        _execute(connect(HELPER, "postgres"), rename.format(owner=sql.Identifier(owner)))
    # without a password, only its socket lets the superuser in
    closed = sql.SQL(f"DROP ROLE IF EXISTS {HELPER}; ALTER ROLE {SUPERUSER} PASSWORD NULL")
    _execute(connect(SUPERUSER, "postgres"), closed)
    existing = {name for (name,) in _fetch(connect(SUPERUSER, "postgres"), "SELECT datname FROM pg_database")}
    for database in existing.intersection(databases):
        statement = sql.SQL(OBJECTS.read_text()).format(owner_name=sql.Literal(owner))
        _execute(connect(SUPERUSER, database), statement)


def _exists(connect: Connect) -> bool:
    try:
        connect(SUPERUSER, "postgres").close()
    except psycopg2.OperationalError as error:
        if f'role "{SUPERUSER}" does not exist' not in str(error):
            raise
        return False
    return True


def _fetch(connection: Connection, query: str) -> list[tuple[str, ...]]:
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _execute(connection: Connection, statement: sql.Composable) -> None:
    """In one transaction; closes the connection."""
    with closing(connection), connection, connection.cursor() as cursor:
        cursor.execute(statement)
