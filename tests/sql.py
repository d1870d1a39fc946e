"""SQL behind the project's back: in the database that the environment names, each call over a connection of its own."""

from collections.abc import Sequence
from typing import Any

import psycopg


def fetch(query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    connection = psycopg.connect("", options="-c timezone=UTC")
    with connection, connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()


def execute(statements: str) -> None:
    """In one transaction."""
    connection = psycopg.connect("", options="-c timezone=UTC")
    with connection, connection.cursor() as cursor:
        cursor.execute(statements)


def execute_alone(statement: str) -> None:
    """Outside a transaction, as statements about the whole server want it."""
    connection = psycopg.connect("")
    connection.autocommit = True
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


def empty() -> None:
    """No table, no snapshot, nothing online."""
    execute("DROP SCHEMA IF EXISTS feast_online, feast_registry CASCADE")
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
