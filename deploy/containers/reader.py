"""python -m deploy.containers.reader: the gateway's database role, as .env has it now. Safe to repeat.

The gateway starts before the first month is there, so that the schemas come first.
"""

from collections.abc import Sequence

from local_stack.database import reader_role
from local_stack.settings import Settings
from steps import warehouse
from steps.cli import console


def main(_argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_env()
    warehouse.apply_schema()
    role = reader_role.make_with(settings, settings["READER_PASSWORD"])["PGUSER"]
    console.say(f"[OK] {role} reads features and nothing else.")


if __name__ == "__main__":
    console.run(main)
