"""Connections and statements: what the other rooms of the warehouse stand on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from steps.cli.disk import disk_full
from steps.cli.errors import DatabaseUnavailable
from steps.cli.settings import Settings

Cursor = psycopg.Cursor[Any]
Connection = psycopg.Connection[Any]

SQL_FOLDER = Path(__file__).with_name("sql")
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 60_000
# Keys of advisory locks: any fixed numbers, no two alike. Of loads and schema changes, promotions, materialisations
SCHEMA_LOCK, PROMOTION_LOCK, MATERIALIZE_LOCK = 0x57F10, 0x57F11, 0x57F12

# of a session: kept beyond its transaction, dropped soon after its host went down without a word
OF_A_SESSION = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


def event_time(as_of: date) -> datetime:
    """A month's moment: the start of its as_of day, UTC."""
    return datetime.combine(as_of, time.min, tzinfo=UTC)


def statement(name: str) -> str:
    return re.sub(r"^--.*\n", "", (SQL_FOLDER / f"{name}.sql").read_text(), flags=re.MULTILINE)


def connect() -> Connection:
    """A connection in which days are UTC days, and which the server gives up soon after its client was killed."""
    session = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS} -c client_connection_check_interval=1000"
    # values are put into the statements here: the server takes none in DDL or where there are several statements
    return psycopg.connect(connect_timeout=CONNECT_TIMEOUT_S, options=session, cursor_factory=psycopg.ClientCursor[Any])


@contextmanager
def transaction(busy: str = "another load") -> Iterator[Cursor]:
    """One transaction: all of it or nothing. Raises DatabaseUnavailable when PostgreSQL does not answer or goes.

    busy: what is under way when a lock is not to be had.
    """
    with translated(busy), connect() as connection, connection.cursor() as cur:
        yield cur


@contextmanager
def translated(busy: str) -> Iterator[None]:
    """Raises DatabaseUnavailable for what psycopg raises when PostgreSQL does not answer, goes, or keeps a lock."""
    where = Settings.from_env().database
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(f"PostgreSQL at {where}: {busy} is under way. Try again when it is done") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if full := disk_full(error):
            raise full from error
        reason = str(error).strip().splitlines()[0]
        raise DatabaseUnavailable(f"PostgreSQL at {where}: {reason}. Is the stack up? make up") from error


def ping() -> None:
    with transaction():
        pass  # to have connected is the answer


def first_column(name: str, table: str = "", **parameters: object) -> list[Any]:
    """The first column of what a statement in sql/ answers."""
    with transaction() as cur:
        cur.execute(sql.SQL(statement(name)).format(table=sql.Identifier(table or "none")), parameters)
        return [row[0] for row in cur.fetchall()]


@contextmanager
def promotion_lock() -> Iterator[None]:
    """Held while it is decided who is in Production. Raises DatabaseUnavailable when another holds it for a minute."""
    with transaction(busy="another promotion") as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (PROMOTION_LOCK,))
        yield


@contextmanager
def run_held(run_id: str) -> Iterator[str]:
    """Held for as long as the run's process lives. Gives the name of the server and database that keep the lock.

    Raises DatabaseUnavailable, also when another process holds the same run for a minute.
    """
    with translated(f"run {run_id}, in another process,"):
        session = connect()
        session.autocommit = True  # a transaction as long as a step would keep PostgreSQL from tidying up
        with session.cursor() as cur:
            cur.execute(OF_A_SESSION)
            cur.execute("SELECT pg_advisory_lock(%s)", (_key(run_id),))
            place = _place(cur)
    with session:
        yield place


@contextmanager
def run_if_free(run_id: str) -> Iterator[str | None]:
    """The same where nobody holds the run; None where somebody does. Nobody can take it until the block is left."""
    with transaction() as cur:
        cur.execute("SELECT pg_try_advisory_xact_lock(%s)", (_key(run_id),))
        [is_free] = cur.fetchall()[0]
        yield _place(cur) if is_free else None


def _place(cur: Cursor) -> str:
    """A restored copy of a database is another place than the database it was copied from."""
    cur.execute("SELECT system_identifier || '/' || current_database() FROM pg_control_system()")
    [place] = cur.fetchall()[0]
    return str(place)


def _key(run_id: str) -> int:
    """MLflow's run ids are random: their first 64 bits are as good as the whole."""
    return int.from_bytes(bytes.fromhex(run_id[:16]), "big", signed=True)
