"""python -m deploy.containers.roles: creates the databases, their tables, and the roles with their passwords.

It runs at every `up`, before the other containers, whose roles cannot create tables. It reaches PostgreSQL by the folder
of its Unix socket (PGHOST), which lets the superuser in without a password. Safe to repeat.
"""

from collections.abc import Sequence

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from local_stack import chain, mlflow_login
from local_stack.database import old_superuser, roles
from local_stack.settings import Settings
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_env()
    old_superuser.replace(_connect, settings["PGUSER"], (settings["PGDATABASE"], settings["MLFLOW_DATABASE"]))
    roles.apply(_connect_as_superuser, settings)
    warehouse.apply_schema()
    chain.create_tables(settings)
    mlflow_login.create_tables(settings)
    roles.apply(_connect_as_superuser, settings)  # now that the tables exist
    console.say(f"[OK] The databases and roles of {settings['PGUSER']} are ready.")


def _connect(user: str, database: str) -> Connection:
    return psycopg2.connect(user=user, dbname=database, password="")


def _connect_as_superuser(database: str) -> Connection:
    return _connect(old_superuser.SUPERUSER, database)


if __name__ == "__main__":
    console.run(main)
