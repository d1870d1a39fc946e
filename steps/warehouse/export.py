"""A month's snapshots on their way out: every version of every row, by COPY, as Arrow tables of the columns' types."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import cursor
from pyarrow import csv

from steps.warehouse.connection import event_time, statement, transaction
from steps.warehouse.loading import TARGETS, Target

PARSED_BYTES = 8 << 20
TYPES = {16: pa.bool_(), 23: pa.int32(), 25: pa.string(), 701: pa.float64()}  # by PostgreSQL's type number
MICROSECONDS = pa.timestamp("us", tz="UTC")
NOT_FEATURES = ("user_id", "as_of", "created_at")

Write = Callable[[pa.Table], object]


@dataclass(frozen=True)
class LakeFile:
    """What is recorded of a month's Parquet file."""

    rows: int
    sha256: str


def snapshot_targets() -> list[Target]:
    return [target for target in TARGETS.values() if target.dated]


def lake_files(cur: cursor, as_of: date) -> dict[str, LakeFile]:
    """By table. Empty for a month that was never written."""
    cur.execute(statement("lake_files"), {"as_of": event_time(as_of)})
    return {table: LakeFile(rows, sha256) for table, rows, sha256 in cur.fetchall()}


def recorded_lake_files(as_of: date) -> dict[str, LakeFile]:
    with transaction() as cur:
        return lake_files(cur, as_of)


def record_lake_file(cur: cursor, table: str, as_of: date, file: LakeFile) -> None:
    values = {"table": table, "as_of": event_time(as_of), "rows": file.rows, "sha256": file.sha256}
    cur.execute(statement("record_lake_file"), values)


def export_schema(cur: cursor, target: Target) -> pa.Schema:
    cur.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(target.versions)))
    features = [
        (column.name, TYPES[column.type_code]) for column in cur.description or () if column.name not in NOT_FEATURES
    ]
    times = [("event_timestamp", MICROSECONDS), ("created_at", MICROSECONDS)]
    return pa.schema([("user_id", pa.string()), *features, *times])


def export(cur: cursor, target: Target, as_of: date, schema: pa.Schema, write: Write) -> None:
    """Calls `write` with one table after the other, rows ordered by user_id and created_at."""
    moment = pa.scalar(event_time(as_of), MICROSECONDS)
    columns = {field.name: field.type for field in schema if field.name != "event_timestamp"}
    types = {**columns, "created_at": pa.int64()}
    features = [name for name in columns if name not in NOT_FEATURES]
    query = sql.SQL(statement("versions_of_month")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, features)),
        versions=sql.Identifier(target.versions),
        as_of=sql.Literal(event_time(as_of)),
    )

    def stamped(rows: pa.Table) -> None:
        rows = rows.append_column("event_timestamp", pa.repeat(moment, rows.num_rows))
        write(rows.select(schema.names).cast(schema))

    copy_out(cur, query, types, stamped)


def copy_out(
    cur: cursor, query: sql.Composable, types: Mapping[str, pa.DataType], write: Write, chunk_bytes: int = PARSED_BYTES
) -> None:
    """Calls `write` with the query's rows, some megabytes at a time. types: of its columns, in order."""
    sink = _Parser(types, write, chunk_bytes)
    cur.copy_expert(sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv)").format(query), sink)
    sink.finish()


class _Parser(io.RawIOBase):
    """The file that COPY writes to."""

    def __init__(self, types: Mapping[str, pa.DataType], write: Write, chunk_bytes: int) -> None:
        self._hand_over, self._chunk_bytes = write, chunk_bytes
        self._buffer = io.BytesIO()
        self._read = csv.ReadOptions(column_names=list(types), use_threads=False)
        self._convert = csv.ConvertOptions(
            column_types=types, true_values=["t"], false_values=["f"], strings_can_be_null=False
        )

    def write(self, data: Any, /) -> int:
        self._buffer.write(data)  # psycopg2 hands over whole rows
        if self._buffer.tell() >= self._chunk_bytes:
            self.finish()
        return len(data)

    def finish(self) -> None:
        if not self._buffer.tell():
            return
        self._buffer.seek(0)
        self._hand_over(csv.read_csv(self._buffer, read_options=self._read, convert_options=self._convert))
        self._buffer = io.BytesIO()
