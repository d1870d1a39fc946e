"""The gateway's own database role: on one machine with a new password at every start, in containers with .env's."""

import secrets
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from local_stack.settings import Settings

STATEMENT = Path(__file__).with_suffix(".sql")


def make(settings: Settings) -> dict[str, str]:
    """make_with, with a password that nobody knew before."""
    return make_with(settings, secrets.token_urlsafe())


def make_with(settings: Settings, password: str) -> dict[str, str]:
    """Makes the role, once the schemas are there; returns the variables that let libpq connect as it."""
    role = f"{settings['PGUSER']}_reader"
    statement = sql.SQL(STATEMENT.read_text()).format(role=sql.Identifier(role), password=sql.Literal(password))
    connection = psycopg2.connect(
        host=settings["PGHOST"],
        port=settings["PGPORT"],
        user=settings["PGUSER"],
        password=settings["PGPASSWORD"],
        dbname=settings["PGDATABASE"],
        connect_timeout=int(settings["PGCONNECT_TIMEOUT"]),
    )
    with closing(connection), connection, connection.cursor() as cursor:
        cursor.execute(statement)
    return {"PGUSER": role, "PGPASSWORD": password}
