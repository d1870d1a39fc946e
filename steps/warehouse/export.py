"""Exports a month's snapshots: every version of every row, by COPY, as typed Arrow tables."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql
from psycopg.postgres import types
from pyarrow import csv

from steps.warehouse.connection import Cursor, event_time, statement, transaction
from steps.warehouse.loading import MONTH_TABLES, MonthTable

if TYPE_CHECKING:
    from psycopg.abc import Buffer

CHUNK_BYTES = 8 << 20
TYPES: Mapping[int, pa.DataType] = {
    types[name].oid: arrow
    for name, arrow in {"bool": pa.bool_(), "int4": pa.int32(), "text": pa.string(), "float8": pa.float64()}.items()
}
"""PostgreSQL's type number, as in a cursor's description -> the Arrow type that COPY's text is parsed to"""
MICROSECONDS = pa.timestamp("us", tz="UTC")
NOT_FEATURES = ("user_id", "as_of", "created_at")

Write = Callable[[pa.Table], object]


@dataclass(frozen=True)
class LakeFile:
    """The recorded facts of a month's Parquet file."""

    rows: int
    sha256: str


def snapshot_tables() -> list[MonthTable]:
    return [table for table in MONTH_TABLES.values() if table.is_snapshot]


def lake_files(cur: Cursor, as_of: date) -> dict[str, LakeFile]:
    """The recorded files by table. Empty for a month that was never written."""
    cur.execute(statement("lake_files"), {"as_of": event_time(as_of)})
    return {table: LakeFile(rows, sha256) for table, rows, sha256 in cur.fetchall()}


def recorded_lake_files(as_of: date) -> dict[str, LakeFile]:
    """lake_files in a transaction of its own. Raises DatabaseUnavailable."""
    with transaction() as cur:
        return lake_files(cur, as_of)


def record_lake_file(cur: Cursor, table: str, as_of: date, file: LakeFile) -> None:
    values = {"table": table, "as_of": event_time(as_of), "rows": file.rows, "sha256": file.sha256}
    cur.execute(statement("record_lake_file"), values)


def export_schema(cur: Cursor, table: MonthTable) -> pa.Schema:
    cur.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(table.versions)))
    features = [
        (column.name, TYPES[column.type_code]) for column in cur.description or () if column.name not in NOT_FEATURES
    ]
    times = [("event_timestamp", MICROSECONDS), ("created_at", MICROSECONDS)]
    return pa.schema([("user_id", pa.string()), *features, *times])


def export(cur: Cursor, table: MonthTable, as_of: date, schema: pa.Schema, write: Write) -> None:
    """Calls `write` with tables of `schema`, rows ordered by user_id and created_at."""
    moment = pa.scalar(event_time(as_of), MICROSECONDS)
    columns = {field.name: field.type for field in schema if field.name != "event_timestamp"}
    parsed = {**columns, "created_at": pa.int64()}
    features = [name for name in columns if name not in NOT_FEATURES]
    query = sql.SQL(statement("versions_of_month")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, features)),
        versions=sql.Identifier(table.versions),
        as_of=sql.Literal(event_time(as_of)),
    )

    def stamped(rows: pa.Table) -> None:
        rows = rows.append_column("event_timestamp", pa.repeat(moment, rows.num_rows))
        write(rows.select(schema.names).cast(schema))

    copy_out(cur, query, parsed, stamped)


def copy_out(
    cur: Cursor,
    query: sql.Composable,
    columns: Mapping[str, pa.DataType],
    write: Write,
    chunk_bytes: int = CHUNK_BYTES,
) -> None:
    """Calls `write` with the query's rows, in tables of about `chunk_bytes` of CSV text. columns: their types, in
    order."""
    read = csv.ReadOptions(column_names=list(columns), use_threads=False)
    convert = csv.ConvertOptions(column_types=columns, true_values=["t"], false_values=["f"], strings_can_be_null=False)
    with cur.copy(sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv)").format(query)) as copy:
        for text in _chunks(copy, chunk_bytes):
            write(csv.read_csv(text, read_options=read, convert_options=convert))


def _chunks(rows: Iterable["Buffer"], chunk_bytes: int) -> Iterator[io.BytesIO]:
    """The rows joined to texts of at least `chunk_bytes`."""
    chunk = io.BytesIO()
    for row in rows:
        chunk.write(row)
        if chunk.tell() >= chunk_bytes:
            chunk.seek(0)
            yield chunk
            chunk = io.BytesIO()
    if chunk.tell():
        chunk.seek(0)
        yield chunk
