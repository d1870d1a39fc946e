"""Copies files into staging tables over a second connection: one file is copied while the previous one is upserted.

Staging tables are unlogged, visible to both connections, and dropped in the load's transaction; the next load replaces
those of a killed one. Used only under the load's lock.
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
    """The rows that a load wrote to and deleted from one table. erased: rows of erased users, which it left out."""

    rows: int
    written: int
    deleted: int
    erased: int = 0


@dataclass(frozen=True)
class Staged:
    """A file whose rows are in its staging table. erased: the rows of erased users, which are not."""

    name: str
    columns: list[str]
    rows: int
    erased: int


def staging_table(file: str) -> sql.Composable:
    return sql.Identifier("staging", file)


@contextmanager
def staged(files: Mapping[str, tuple[str, Iterable[pa.RecordBatch]]], advance: Advance) -> Iterator[Iterator[Staged]]:
    """files: by name, users first, the table whose column types it has, and its rows. Yields an iterator of the files,
    each as soon as it is staged. The iterator raises IntegrityError for a repeated user, and RowRefused for one who is
    not in users where users is among the files.
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
            stop.set()  # after an error the rest is not needed
            for task in tasks:
                task.cancel()


def _stage(side: Connection, file: str, table: str, batches: Iterator[pa.RecordBatch], of_users: bool) -> Staged:
    """of_users: every row has to be of a user who is staged already."""
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
        erased = _leave_out_erased(cur, names)
        # refuses a repeated user, and gives the order in which rows are inserted
        cur.execute(sql.SQL("ALTER TABLE {staging} ADD PRIMARY KEY (user_id)").format(**names))
        # without statistics the planner joined a first month in 35 s instead of 0.3
        cur.execute(sql.SQL("ANALYZE {staging}").format(**names))
        if of_users:
            _require_known_users(cur, file, names)
    return Staged(file, list(first.schema.names), rows - erased, erased)


def _leave_out_erased(cur: Cursor, names: Mapping[str, sql.Composable]) -> int:
    cur.execute(statement("any_erased"))
    [any_erased] = cur.fetchall()[0]
    if not any_erased:
        return 0
    cur.execute(sql.SQL(statement("leave_out_erased")).format(**names))
    return int(cur.rowcount)


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
