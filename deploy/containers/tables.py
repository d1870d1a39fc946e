"""python -m deploy.containers.tables: creates the missing tables of both databases, as their owner. Safe to repeat.

For a PostgreSQL of your own, where an administrator makes the roles: those of MLflow and the watcher cannot create any.
"""

import sys
from collections.abc import Sequence

from local_stack import chain, mlflow_login
from local_stack.settings import Settings, StackError
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    try:
        settings = Settings.from_env()
        create(settings)
    except StackError as error:
        sys.exit(f"[ERROR] {error}")
    console.say(f"[OK] The tables in {settings['PGDATABASE']} and {settings['MLFLOW_DATABASE']} are ready.")


def create(settings: Settings) -> None:
    """The warehouse's, MLflow's, and those of MLflow's users if it asks for a login. Raises StackError."""
    warehouse.apply_schema()
    warehouse.make_log_days()
    chain.create_tables(settings)
    mlflow_login.create_tables(settings)


if __name__ == "__main__":
    console.run(main)
