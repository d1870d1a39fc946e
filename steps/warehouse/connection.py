"""Connections, transactions, locks and statements for the other modules of the warehouse."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from steps.cli import console
from steps.cli.disk import disk_full
from steps.cli.errors import DatabaseUnavailable
from steps.cli.settings import Settings

Cursor = psycopg.Cursor[Any]
Connection = psycopg.Connection[Any]

SQL_FOLDER = Path(__file__).with_name("sql")
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 60_000
# Keys of advisory locks, any distinct numbers: of loads and schema changes, of promotions, of materialisations, of a
# whole month, of campaigns
SCHEMA_LOCK, PROMOTION_LOCK, MATERIALIZE_LOCK, MONTH_LOCK = 0x57F10, 0x57F11, 0x57F12, 0x57F13
CAMPAIGN_LOCK = 0x57F14

CHECK_BLOCKING_S = 0.05

# detects within a minute that the client's host went down
KEEPALIVES = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


def event_time(as_of: date) -> datetime:
    """The start of the as_of day, UTC."""
    return datetime.combine(as_of, time.min, tzinfo=UTC)


def statement(name: str) -> str:
    """The text of sql/NAME.sql, without its comments."""
    return re.sub(r"^--.*\n", "", (SQL_FOLDER / f"{name}.sql").read_text(), flags=re.MULTILINE)


def connect() -> Connection:
    """A connection in UTC. The server ends its statement within a second after the client was killed."""
    session = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS} -c client_connection_check_interval=1000"
    # values are put into the statements here: the server takes none in DDL or where there are several statements
    return psycopg.connect(
        connect_timeout=CONNECT_TIMEOUT_S, options=session, cursor_factory=psycopg.ClientCursor[Any],
        keepalives_idle=30, keepalives_interval=10, keepalives_count=3,  # the server's host may go down, too
    )  # fmt: skip


@contextmanager
def transaction(busy: str = "another load") -> Iterator[Cursor]:
    """One transaction, committed when the block ends without an error. Raises DatabaseUnavailable.

    busy: the work that holds a lock which is not free in time, for the message.
    """
    with translated(busy), connect() as connection, connection.cursor() as cur:
        yield cur


@contextmanager
def translated(busy: str) -> Iterator[None]:
    """Raises DatabaseUnavailable where psycopg reports that PostgreSQL is down, ended, or kept a lock too long."""
    address = Settings.from_env().database
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(f"PostgreSQL at {address}: {busy} is under way. Try again when it is done") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if full := disk_full(error):
            raise full from error
        reason = str(error).strip().splitlines()[0].removeprefix("connection failed: ")
        raise DatabaseUnavailable(f"PostgreSQL at {address}: {reason}. Is the stack up? make up") from error


def vacuum_tables(busy: str, *tables: sql.Composable) -> None:
    """Removes what was deleted, and marks rows that all transactions see: then an index alone answers. Raises
    DatabaseUnavailable. busy: as for transaction."""
    with translated(busy), connect() as connection:
        connection.autocommit = True
        for table in tables:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {table}").format(table=table))


def ping() -> None:
    """Raises DatabaseUnavailable unless a connection can be made."""
    with transaction():
        pass


def first_column(name: str, table: str = "", **parameters: object) -> list[Any]:
    """The first column of the rows that sql/NAME.sql returns."""
    with transaction() as cur:
        cur.execute(sql.SQL(statement(name)).format(table=sql.Identifier(table or "none")), parameters)
        return [row[0] for row in cur.fetchall()]


@contextmanager
def promotion_lock() -> Iterator[None]:
    """Held while a promotion is decided. Raises DatabaseUnavailable when another process holds it for a minute."""
    with transaction(busy="another promotion") as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (PROMOTION_LOCK,))
        yield


@contextmanager
def month_lock() -> Iterator[bool]:
    """Held while a process runs whole months, until the block or the process ends. False, at once, where another
    process holds it. Raises DatabaseUnavailable."""
    with translated("another month"):
        session = connect()
        session.autocommit = True
        with session.cursor() as cur:
            cur.execute(KEEPALIVES)
            cur.execute("SELECT pg_try_advisory_lock(%s)", (MONTH_LOCK,))
            [is_free] = cur.fetchall()[0]
    with session:
        yield bool(is_free)


@contextmanager
def run_held(run_id: str) -> Iterator[str]:
    """Locks the run until the block or the process ends. Yields the name of the server and database with the lock.

    Raises DatabaseUnavailable, also when another process holds the lock for a minute.
    """
    with translated(f"run {run_id}, in another process,"):
        session = connect()
        session.autocommit = True  # a transaction as long as a step would keep VACUUM from its work
        with session.cursor() as cur:
            cur.execute(KEEPALIVES)
            cur.execute("SELECT pg_advisory_lock(%s)", (_key(run_id),))
            place = _place(cur)
    with session:
        yield place


@contextmanager
def run_if_free(run_id: str) -> Iterator[str | None]:
    """Like run_held, but yields None at once where another process holds the lock."""
    with transaction() as cur:
        cur.execute("SELECT pg_try_advisory_xact_lock(%s)", (_key(run_id),))
        [is_free] = cur.fetchall()[0]
        yield _place(cur) if is_free else None


def _place(cur: Cursor) -> str:
    """Tells a restored copy of a database from the original."""
    cur.execute("SELECT system_identifier || '/' || current_database() FROM pg_control_system()")
    [place] = cur.fetchall()[0]
    return str(place)


def _key(run_id: str) -> int:
    """The first 64 bits of a run id: MLflow's ids are random."""
    return int.from_bytes(bytes.fromhex(run_id[:16]), "big", signed=True)


@contextmanager
def without_blocking_readers(cur: Cursor, patience_s: float) -> Iterator[None]:
    """While the block's statements run on `cur`, end readers' sessions that block them for longer than patience_s.

    The statements keep their place in the queue meanwhile: sessions that come later cannot block them.
    """
    finished = threading.Event()
    pid = cur.connection.info.backend_pid
    ending = threading.Thread(target=_end_blocking, args=(pid, patience_s, finished), daemon=True)
    ending.start()
    try:
        yield
    finally:
        finished.set()
        ending.join()


def _end_blocking(pid: int, patience_s: float, finished: threading.Event) -> None:
    if finished.wait(patience_s):
        return
    try:
        with connect() as session, session.cursor() as cur:
            session.autocommit = True
            while not finished.wait(CHECK_BLOCKING_S):
                cur.execute(statement("end_blocking_readers"), {"pid": pid})
                if ended := cur.rowcount:
                    console.say(f"[WARNING] Ended {ended} sessions of readers that blocked this step")
    except psycopg.Error as error:  # the statement then ends at its lock_timeout
        console.say(f"[WARNING] Sessions of readers that block this step cannot be ended: {error}")
