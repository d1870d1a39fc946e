"""python -m deploy.containers.reader: creates the gateway's database role with .env's password. Safe to repeat.

The gateway starts before the first month is loaded: the schemas are created first.
"""

from collections.abc import Sequence

from local_stack.database import reader_role
from local_stack.settings import Settings
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_env()
    warehouse.apply_schema()
    role = reader_role.create_with(settings, settings["READER_PASSWORD"])["PGUSER"]
    console.say(f"[OK] {role} can read features only.")


if __name__ == "__main__":
    console.run(main)
