"""SQL for tests, past the project's code: in the environment's database, with a new connection for each call."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg

from configuration import passwords
from local_stack.database import cluster
from local_stack.settings import Settings


@contextmanager
def as_superuser() -> Iterator[None]:
    """The other functions connect as the server's superuser during the block."""
    settings = Settings.from_env()
    password = passwords.superuser(settings.state)
    assert password
    with mock.patch.dict(os.environ, {"PGUSER": cluster.SUPERUSER, "PGPASSWORD": password}):
        yield


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
    anew takes three times as long as finding it there. The seals stay, too, as MLflow's models do."""
    execute(
        "DROP SCHEMA IF EXISTS feast_online CASCADE; CREATE SCHEMA kept; ALTER TABLE IF EXISTS seals SET SCHEMA kept;"
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "ALTER TABLE IF EXISTS kept.seals SET SCHEMA public; DROP SCHEMA kept"
    )


def empty_registry_too() -> None:
    """As empty(); Feast's registry goes, too."""
    empty()
    execute("DROP SCHEMA IF EXISTS feast_registry CASCADE")
