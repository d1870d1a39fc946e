"""Rows on their way in, by COPY, over a connection of their own: while one file is copied and looked through, the one
before is upserted.

Staging tables are unlogged, seen by both connections, and gone with the load's transaction; what a killed load left of
them is replaced by the next. Used under the load's lock alone.
"""

import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection, cursor
from pyarrow import csv

from steps.cli.errors import RowRefused, StepError
from steps.cli.progress import Advance
from steps.warehouse.connection import connect, statement

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
    with closing(connect()) as side, ThreadPoolExecutor(1) as pool:
        side.autocommit = True
        tasks = [
            pool.submit(
                _stage,
                side,
                file,
                table,
                _CsvStream(batches, stop, advance),
                USERS_FILE in files and file != USERS_FILE,
            )
            for file, (table, batches) in files.items()
        ]
        try:
            yield (task.result() for task in tasks)
        finally:
            stop.set()  # after an error nobody wants the rest
            for task in tasks:
                task.cancel()


def _stage(side: connection, file: str, table: str, stream: "_CsvStream", of_users: bool) -> Staged:
    """of_users: all of the file's rows have to be of users that are staged already."""
    stream.start()
    columns = sql.SQL(", ").join(map(sql.Identifier, stream.columns))
    names = {"staging": staging_table(file), "columns": columns, "table": sql.Identifier(table)}
    with side.cursor() as cur:
        cur.execute(sql.SQL("DROP TABLE IF EXISTS {staging}").format(**names))
        like = "CREATE UNLOGGED TABLE {staging} AS SELECT {columns} FROM {table} WITH NO DATA"
        cur.execute(sql.SQL(like).format(**names))
        try:
            cur.copy_expert(sql.SQL("COPY {staging} FROM STDIN WITH (FORMAT csv)").format(**names), stream)
        except psycopg2.Error as error:
            # what went wrong in our own reading reaches us as the driver's complaint about it
            raise stream.failure or error from error
        # nobody twice: the database's own word, and the order in which rows are inserted
        cur.execute(sql.SQL("ALTER TABLE {staging} ADD PRIMARY KEY (user_id)").format(**names))
        # without statistics the planner joined a first month in 35 s instead of 0.3
        cur.execute(sql.SQL("ANALYZE {staging}").format(**names))
        if of_users:
            _require_known_users(cur, file, names)
    return Staged(file, stream.columns, stream.rows)


def _require_known_users(cur: cursor, file: str, names: Mapping[str, sql.Composable]) -> None:
    cur.execute(sql.SQL(statement("unknown_users")).format(users=staging_table(USERS_FILE), **names))
    unknown = cur.fetchone()
    if unknown:
        raise RowRefused(f"A row of {file} is of user {unknown[0]!r}, who is not in users; nothing was loaded")


class _CsvStream(io.RawIOBase):
    """Batches as the file that COPY reads from."""

    def __init__(self, batches: Iterable[pa.RecordBatch], stop: threading.Event, advance: Advance) -> None:
        self._batches, self._stop, self._advance = iter(batches), stop, advance
        self._buffer = io.BytesIO()
        self.columns: list[str] = []
        self.rows = 0
        self.failure: StepError | None = None

    def start(self) -> None:
        """Takes the first batch, which knows the columns."""
        first = next(self._batches)
        self.columns = list(first.schema.names)
        self._buffer = io.BytesIO(self._text(first))

    def read(self, size: int = -1, /) -> bytes:
        found = self._buffer.read(size)
        if found or self._stop.is_set():
            return found
        try:
            batch = next(self._batches, None)
        except StepError as error:
            self.failure = error
            raise
        self._buffer = io.BytesIO(self._text(batch) if batch else b"")
        return self._buffer.read(size)

    def _text(self, batch: pa.RecordBatch) -> bytes:
        self.rows += batch.num_rows
        self._advance(batch.num_rows)
        text = pa.BufferOutputStream()
        csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
        return bytes(text.getvalue())
