"""python -m deploy.containers.roles: creates the databases, their tables and the roles. Safe to repeat.

It runs at every `up`, before the other containers: their roles cannot create tables. POSTGRES_USER and
POSTGRES_PASSWORD (if the server asks for one) are the superuser's, as in PostgreSQL's image. Roles whose passwords are
not set get none.
"""

import os
from collections.abc import Sequence

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from local_stack import chain
from local_stack.database import roles
from local_stack.settings import Settings
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_env()
    roles.apply(_connect, settings)
    warehouse.apply_schema()
    chain.create_tables(settings)
    roles.apply(_connect, settings)  # now that the tables exist
    console.say(f"[OK] The databases and roles of {settings['PGUSER']} are ready.")


def _connect(database: str) -> Connection:
    password = os.environ.get("POSTGRES_PASSWORD")
    return psycopg2.connect(dbname=database, user=os.environ["POSTGRES_USER"], password=password)


if __name__ == "__main__":
    console.run(main)
