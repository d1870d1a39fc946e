"""The gateway's database role: with a new password at every start on one machine, with .env's in containers."""

import secrets
from contextlib import closing
from pathlib import Path

from psycopg2 import sql

from local_stack.database import postgres
from local_stack.settings import Settings

STATEMENT = Path(__file__).with_suffix(".sql")


def create(settings: Settings) -> dict[str, str]:
    """Create the role with a new random password; see create_with."""
    return create_with(settings, secrets.token_urlsafe())


def create_with(settings: Settings, password: str) -> dict[str, str]:
    """Create or update the role. Returns the variables with which libpq connects as it."""
    role = f"{settings['PGUSER']}_reader"
    statement = sql.SQL(STATEMENT.read_text()).format(role=sql.Identifier(role), password=sql.Literal(password))
    with (
        closing(postgres.connect(settings, settings["PGDATABASE"])) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    return {"PGUSER": role, "PGPASSWORD": password}
