"""Puts a month online: builds a new table per view beside the one in use, then swaps all of them atomically.

A reader sees the old month in all views or the new month in all of them. A killed run leaves unused tables, which the
next run replaces.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import partial

import psycopg
import pyarrow as pa
from psycopg import IsolationLevel, sql
from pyarrow import csv

from configuration import names
from steps.cli.errors import DatabaseUnavailable, OnlineStoreUnavailable
from steps.cli.progress import Advance
from steps.warehouse.connection import (
    MATERIALIZE_LOCK,
    connect,
    event_time,
    statement,
    transaction,
    without_blocking_readers,
)
from steps.warehouse.export import TYPES, copy_out
from steps.warehouse.months import online_as_of

CHUNK_BYTES = 2 << 20  # of a snapshot's text; a chunk online is twenty times that
SIDE_BY_SIDE = 2
SWAP_WAIT_MS = 200
SWAP_PAUSE_S = 0.5
SWAP_PATIENCE_S = 120.0
READER_PATIENCE_S = 10.0  # reads of the gateway take milliseconds
LOCK_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)

ToOnline = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class OnlineTable:
    """One view's online table and its source. to_online: encodes a chunk of the snapshot as rows of the table."""

    table: str
    snapshots: str
    features: Sequence[str]
    to_online: ToOnline


def replace_online(tables: Sequence[OnlineTable], as_of: date, advance: Advance, instead_of: date | None = None) -> int:
    """Puts the month's snapshots online and returns the number of values. instead_of: a newer month that may be
    replaced. Raises DatabaseUnavailable, and OnlineStoreUnavailable where another run has put a newer month online in
    the meantime."""
    with month_state() as state:
        newest = online_as_of(view.table for view in tables)
        if newest and newest > as_of and newest != instead_of:
            raise OnlineStoreUnavailable(f"Another run has put a newer month online: {newest}")
        values = side_by_side([partial(_build, view, as_of, state, advance) for view in tables])
        _swap([view.table for view in tables])
        return values


def clear_online(tables: Sequence[str]) -> None:
    """Puts empty tables online. Raises DatabaseUnavailable."""
    with month_state():
        with transaction() as cur, without_blocking_readers(cur, READER_PATIENCE_S):
            for table in tables:
                for name in ("online_next_table", "online_next_indexes"):
                    cur.execute(sql.SQL(statement(name)).format(**_names(table)))
        _swap(tables)


def side_by_side(builds: Sequence[Callable[[], int]]) -> int:
    """Runs the builds in two threads and returns the sum of their results. After an error, no further one begins."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        building = [pool.submit(build) for build in builds]
        try:
            return sum(built.result() for built in building)
        finally:
            for built in building:
                built.cancel()


@contextmanager
def month_state() -> Iterator[str]:
    """The name of an exported snapshot of the warehouse, for all views; holds the lock of materialisations."""
    with transaction(busy="another materialisation") as cur:
        cur.execute("SELECT pg_advisory_lock(%s)", (MATERIALIZE_LOCK,))  # until the connection ends
        cur.connection.commit()
        cur.connection.isolation_level, cur.connection.read_only = IsolationLevel.REPEATABLE_READ, True
        cur.execute("SELECT pg_export_snapshot()")
        yield str(cur.fetchall()[0][0])


def _build(view: OnlineTable, as_of: date, state: str, advance: Advance) -> int:
    names = _names(view.table)
    values = 0
    with connect() as writing, writing.cursor() as out:
        with without_blocking_readers(out, READER_PATIENCE_S):
            out.execute(sql.SQL(statement("online_next_table")).format(**names))

        def write(rows: pa.Table) -> None:
            nonlocal values
            text = io.BytesIO()
            online = view.to_online(rows)
            csv.write_csv(online, text, csv.WriteOptions(include_header=False))
            columns = sql.SQL(", ").join(map(sql.Identifier, online.column_names))
            with out.copy(sql.SQL("COPY {next} ({columns}) FROM STDIN CSV").format(columns=columns, **names)) as copy:
                copy.write(text.getbuffer())
            values += online.num_rows
            advance(rows.num_rows)

        read_snapshot(state, view.snapshots, view.features, as_of, write)
        out.execute(sql.SQL(statement("online_next_indexes")).format(**names))
    return values


def read_snapshot(
    state: str, snapshots: str, features: Sequence[str], as_of: date, write: Callable[[pa.Table], None]
) -> None:
    """Calls `write` with chunks of user_id, the features and created_at (as text), ordered by user_id. state: the name
    from month_state."""
    columns = sql.SQL(", ").join(map(sql.Identifier, features))
    source = {"columns": columns, "table": sql.Identifier(snapshots), "as_of": sql.Literal(event_time(as_of))}
    with connect() as reading, reading.cursor() as cur:
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cur.execute("SET TRANSACTION SNAPSHOT %s", (state,))
        cur.execute(sql.SQL("SELECT {columns} FROM {table} LIMIT 0").format(**source))
        types = {column.name: TYPES[column.type_code] for column in cur.description or ()}
        query = sql.SQL(statement("snapshot_for_online")).format(**source)
        copy_out(cur, query, {"user_id": pa.string(), **types, "created_at": pa.string()}, write, CHUNK_BYTES)


def _swap(tables: Sequence[str]) -> None:
    """Retries while a long read of the tables (a backup) lasts, and after a deadlock. Each attempt waits 0.2 s only,
    because readers queue behind a waiting lock. After READER_PATIENCE_S, sessions of the readers' roles that block it
    are ended."""
    started = time.monotonic()
    while True:
        waited = time.monotonic() - started
        try:
            return _swap_once(tables, end_readers=waited > READER_PATIENCE_S)
        except DatabaseUnavailable as error:
            if waited > SWAP_PATIENCE_S or not isinstance(error.__cause__, LOCK_CONFLICTS):
                raise
            time.sleep(SWAP_PAUSE_S)


def _swap_once(tables: Sequence[str], *, end_readers: bool) -> None:
    with transaction(busy="a long read of the online tables") as cur:
        cur.execute("SELECT set_config('lock_timeout', %s, true)", (f"{SWAP_WAIT_MS}ms",))
        with without_blocking_readers(cur, SWAP_WAIT_MS / 2000) if end_readers else nullcontext():
            for table in tables:
                cur.execute(sql.SQL(statement("online_swap")).format(**_names(table)))


def _names(table: str) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(names.ONLINE_SCHEMA, table),
        "old_name": sql.Identifier(table),
        "next": sql.Identifier(names.ONLINE_SCHEMA, f"{table}__next"),
        "next_pkey": sql.Identifier(f"{table}__next_pkey"),
        "next_ek": sql.Identifier(f"{table}__next_ek"),
        "old_pkey": sql.Identifier(f"{table}_pkey"),
        "old_ek": sql.Identifier(f"{table}_ek"),
        "next_ek_index": sql.Identifier(names.ONLINE_SCHEMA, f"{table}__next_ek"),
    }
