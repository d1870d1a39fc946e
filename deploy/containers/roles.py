"""python -m deploy.containers.roles: creates the databases, their tables and the roles with .env's passwords.

Runs at every `up`, before the other containers; safe to repeat. The tables are created here, by the owner, because no
role of the other containers can create any. POSTGRES_USER and POSTGRES_PASSWORD are the superuser's, as in PostgreSQL's
image.
"""

import os
from collections.abc import Sequence

from local_stack import chain
from local_stack.database import postgres
from local_stack.settings import Settings
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_env()
    superuser = {name: os.environ[name] for name in (postgres.POSTGRES_USER, postgres.POSTGRES_PASSWORD)}
    as_superuser = Settings({**settings.values, **superuser})
    postgres.apply_roles(as_superuser)
    warehouse.apply_schema()
    chain.create_tables(settings)
    postgres.apply_roles(as_superuser)
    console.say("[OK] The roles of PostgreSQL are ready.")


if __name__ == "__main__":
    console.run(main)
