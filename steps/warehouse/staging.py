"""Rows on their way in, by COPY, over a connection of their own: while one file is copied and looked through, the one
before is upserted.

Staging tables are unlogged, seen by both connections, and gone with the load's transaction; what a killed load left of
them is replaced by the next. Used under the load's lock alone.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from steps.cli.errors import RowRefused
from steps.cli.progress import Advance
from steps.warehouse.connection import Connection, Cursor, connect, statement

USERS_FILE = "users"


@dataclass(frozen=True)
class Change:
    """What a load did to one table, in rows."""

    rows: int
    written: int
    deleted: int


@dataclass(frozen=True)
class Staged:
    """A file whose rows are in its staging table."""

    file: str
    columns: list[str]
    rows: int


def staging_table(file: str) -> sql.Composable:
    return sql.Identifier("staging", file)


@contextmanager
def staged(files: Mapping[str, tuple[str, Iterable[pa.RecordBatch]]], advance: Advance) -> Iterator[Iterator[Staged]]:
    """Per file, users first, the table its columns are like, and its rows: what is staged, file after file as each is
    complete. Nobody is in a file twice, nor unknown to users where that is one of the files: RowRefused and
    IntegrityError come from the iterator.
    """
    stop = threading.Event()
    with connect() as side, ThreadPoolExecutor(1) as pool:
        side.autocommit = True
        tasks = [
            pool.submit(
                _stage, side, file, table, _until(stop, batches, advance), USERS_FILE in files and file != USERS_FILE
            )
            for file, (table, batches) in files.items()
        ]
        try:
            yield (task.result() for task in tasks)
        finally:
            stop.set()  # after an error nobody wants the rest
            for task in tasks:
                task.cancel()


def _stage(side: Connection, file: str, table: str, batches: Iterator[pa.RecordBatch], of_users: bool) -> Staged:
    """of_users: all of the file's rows have to be of users that are staged already."""
    first = next(batches)
    rows, columns = 0, sql.SQL(", ").join(map(sql.Identifier, first.schema.names))
    names = {"staging": staging_table(file), "columns": columns, "table": sql.Identifier(table)}
    with side.cursor() as cur:
        cur.execute(sql.SQL("DROP TABLE IF EXISTS {staging}").format(**names))
        like = "CREATE UNLOGGED TABLE {staging} AS SELECT {columns} FROM {table} WITH NO DATA"
        cur.execute(sql.SQL(like).format(**names))
        with cur.copy(sql.SQL("COPY {staging} FROM STDIN WITH (FORMAT csv)").format(**names)) as copy:
            for batch in chain([first], batches):
                copy.write(_csv_text(batch))
                rows += batch.num_rows
        # nobody twice: the database's own word, and the order in which rows are inserted
        cur.execute(sql.SQL("ALTER TABLE {staging} ADD PRIMARY KEY (user_id)").format(**names))
        # without statistics the planner joined a first month in 35 s instead of 0.3
        cur.execute(sql.SQL("ANALYZE {staging}").format(**names))
        if of_users:
            _require_known_users(cur, file, names)
    return Staged(file, list(first.schema.names), rows)


def _require_known_users(cur: Cursor, file: str, names: Mapping[str, sql.Composable]) -> None:
    cur.execute(sql.SQL(statement("unknown_users")).format(users=staging_table(USERS_FILE), **names))
    unknown = cur.fetchone()
    if unknown:
        raise RowRefused(f"A row of {file} is of user {unknown[0]!r}, who is not in users; nothing was loaded")


def _until(stop: threading.Event, batches: Iterable[pa.RecordBatch], advance: Advance) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if stop.is_set():
            return
        yield batch
        advance(batch.num_rows)


def _csv_text(batch: pa.RecordBatch) -> memoryview:
    text = pa.BufferOutputStream()
    csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
    return memoryview(text.getvalue())
