"""python -m deploy.containers.roles: creates the databases, their tables, and the roles with their passwords.

It runs at every `up`, before the other containers, whose roles cannot create tables. It reaches PostgreSQL at its Unix
socket (PGHOST is the folder), which lets the superuser in without a password. Safe to repeat.
"""

import sys
from collections.abc import Sequence

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from deploy.containers import tables
from local_stack.database import old_superuser, roles
from local_stack.settings import Settings, StackError
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    try:
        prepare(Settings.from_env())
    except StackError as error:
        sys.exit(f"[ERROR] {error}")


def prepare(settings: Settings) -> None:
    """Raises StackError."""
    if settings["PGUSER"] == old_superuser.SUPERUSER:
        raise StackError("PGUSER='postgres' in .env is the superuser. Set another name, which gets all that it owns")
    old_superuser.replace(_connect, settings["PGUSER"], (settings["PGDATABASE"], settings["MLFLOW_DATABASE"]))
    roles.apply(_connect_as_superuser, settings)
    tables.create(settings)
    roles.apply(_connect_as_superuser, settings)  # now that the tables exist
    console.say(f"[OK] The databases and roles of {settings['PGUSER']} are ready.")


def _connect(user: str, database: str) -> Connection:
    return psycopg2.connect(user=user, dbname=database)


def _connect_as_superuser(database: str) -> Connection:
    return _connect(old_superuser.SUPERUSER, database)


if __name__ == "__main__":
    console.run(main)
