"""SQL for tests, past the project's code: in the environment's database, with a new connection for each call."""

from collections.abc import Sequence
from typing import Any

import psycopg


def fetch(query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    connection = psycopg.connect("", options="-c timezone=UTC")
    with connection, connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()


def execute(statements: str) -> None:
    """Runs the statements in one transaction."""
    connection = psycopg.connect("", options="-c timezone=UTC")
    with connection, connection.cursor() as cursor:
        cursor.execute(statements)


def execute_alone(statement: str) -> None:
    """Runs the statement outside a transaction, as statements about the whole server require."""
    connection = psycopg.connect("")
    connection.autocommit = True
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


def empty() -> None:
    """Drops all tables, snapshots and online values. Feast's registry stays, with what features.py says: writing it
    anew takes three times as long as finding it there."""
    execute("DROP SCHEMA IF EXISTS feast_online CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def empty_registry_too() -> None:
    """A database in which nothing was ever made."""
    empty()
    execute("DROP SCHEMA IF EXISTS feast_registry CASCADE")
