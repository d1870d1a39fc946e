"""The database's roles: the owner (steps), MLflow, the watcher, the console, and the gateway's two (reader, log).
sql/roles say what each may.

The same files serve psql, for a PostgreSQL of the user's own (all.sql), and the containers.
"""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class
from psycopg2.extensions import encrypt_password

from configuration import passwords
from local_stack.settings import Settings, StackError

Connect = Callable[[str], Connection]
FOLDER = Path(__file__).with_name("sql") / "roles"
VARIABLE = re.compile(r""":(["']?)([a-z_]+)\1(?![a-z_:])""")
OWNER, PARTS = "owner", tuple(passwords.OF_ROLES)
LONGEST_NAME = 63 - len("_watcher")
SMALLEST_LIMIT, CONNECTIONS_OF_A_WORKER = 40, 10  # a worker's pool has 8
SMALLEST_LOG_LIMIT, LOG_CONNECTIONS_OF_A_WORKER = 10, 2  # it has one, and perhaps one that is being ended


def name_of(settings: Settings, part: str) -> str:
    return settings["PGUSER"] if part == OWNER else f"{settings['PGUSER']}_{part}"


def reader_connections(settings: Settings) -> int:
    """The reader's limit, enough for every worker process of the gateway."""
    return max(SMALLEST_LIMIT, CONNECTIONS_OF_A_WORKER * _workers(settings))


def log_connections(settings: Settings) -> int:
    return max(SMALLEST_LOG_LIMIT, LOG_CONNECTIONS_OF_A_WORKER * _workers(settings))


def gateway_connections(settings: Settings) -> int:
    return reader_connections(settings) + log_connections(settings)


def _workers(settings: Settings) -> int:
    workers = settings.values.get("ENRICHER_WORKERS", "")
    return int(workers) if workers.isdecimal() else 0


def apply(connect: Connect, settings: Settings) -> None:
    """Create missing roles and databases, and set passwords, limits and rights. Safe to repeat: again after tables were
    created. connect: as a superuser."""
    with closing(connect("postgres")) as connection:
        make(connection, settings)
    for database in {settings["PGDATABASE"]: None, settings["MLFLOW_DATABASE"]: None}:
        with closing(connect("postgres")) as connection:
            _create_database(connection, settings, database)
        with closing(connect(database)) as connection:
            grant(connection, settings, database)


def make(connection: Connection, settings: Settings) -> None:
    """Create or correct the roles, and set the passwords that are known. In any database."""
    if len(settings["PGUSER"].encode()) > LONGEST_NAME:
        raise StackError(f"PGUSER={settings['PGUSER']!r}: at most {LONGEST_NAME} bytes")
    with connection, connection.cursor() as cursor:
        for name in ("names", "roles", "server"):
            cursor.execute(statement(settings, name))
        for part, variable in {OWNER: passwords.OWNER, **passwords.OF_ROLES}.items():
            role = name_of(settings, part)
            if not settings.values.get(variable):
                continue
            # hashed here: the text of a statement can get into a log
            hashed = encrypt_password(settings[variable], role, connection, "scram-sha-256")
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed)))


def grant(connection: Connection, settings: Settings, database: str) -> None:
    """Give the roles their rights in PGDATABASE or MLFLOW_DATABASE, and nothing to others."""
    databases = {"warehouse": "PGDATABASE", "mlflow": "MLFLOW_DATABASE"}
    parts = [part for part, variable in databases.items() if settings[variable] == database]
    with connection, connection.cursor() as cursor:
        for name in ("names", "database", *parts):
            cursor.execute(statement(settings, name, database=database))


def _create_database(connection: Connection, settings: Settings, name: str) -> None:
    """Raises StackError if another role owns the one that exists."""
    connection.set_session(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (name,))
        rows = cursor.fetchall()
        if not rows:
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            cursor.execute(create.format(sql.Identifier(name), sql.Identifier(settings["PGUSER"])))
        elif rows != [(settings["PGUSER"],)]:
            raise StackError(
                f"PGUSER={settings['PGUSER']!r}: database {name} was created with PGUSER={rows[0][0]!r}. Set that, or "
                "unset it; for a separate stack: STREAMFLOW_STATE=FOLDER"
            )


def statement(settings: Settings, name: str, **more: str) -> sql.Composed:
    """The text of roles/NAME.sql with the values of psql's variables, :'text', :"name" and :number."""
    values = {OWNER: settings["PGUSER"], **more}
    values["reader_connections"] = str(reader_connections(settings))
    values["log_connections"] = str(log_connections(settings))
    values |= {part: name_of(settings, part) for part in PARTS}
    text, parts, end = (FOLDER / f"{name}.sql").read_text(), [], 0
    for match in VARIABLE.finditer(text):
        quote, variable = match.groups()
        if variable in values:
            kind = {"'": sql.Literal, '"': sql.Identifier, "": sql.SQL}[quote]
            parts += [sql.SQL(text[end : match.start()]), kind(values[variable])]
            end = match.end()
    return sql.Composed([*parts, sql.SQL(text[end:])])
