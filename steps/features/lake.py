"""The lake: each month's snapshots as Parquet files, one per table, for the engines that read files.

    LAKE/usage_agg_30d_snapshots/as_of=2024-01-31/snapshot.parquet

Written by the ingest that loads the month, inside its transaction, which also records rows and sha256. A file that
differs from the record is refused: an ingest that was killed before the commit leaves one, and the next ingest
repairs it.
"""

import shutil
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from steps import warehouse
from steps.cli.errors import BadParameter, LakeDisagrees
from steps.cli.settings import Settings
from steps.month.digest import file_sha256
from steps.warehouse import Change, Cursor, LakeFile


def folder() -> Path:
    """Raises BadParameter if no lake is configured."""
    lake = Settings.from_env().lake
    if lake is None:
        raise BadParameter("STREAMFLOW_LAKE is not set. Run: . .venv/bin/activate (or see .env.example)")
    return lake


def path(table: str, as_of: date) -> Path:
    folder()  # raises if none is configured
    return Path(Settings.from_env().lake_files(table, as_of))


def write_month(as_of: date, cur: Cursor, changes: Mapping[str, Change]) -> None:
    """Writes the snapshots that changed or whose file differs from the record. Runs inside the load's transaction."""
    recorded = warehouse.lake_files(cur, as_of)
    for table in warehouse.snapshot_tables():
        change, file = changes[table.name], path(table.name, as_of)
        if change.written or change.deleted or not _is_recorded(file, recorded.get(table.name)):
            warehouse.record_lake_file(cur, table.name, as_of, _write(cur, table, as_of, file))


def files_of_month(as_of: date) -> list[Path]:
    """The existing files, recorded or not."""
    return [file for table in warehouse.snapshot_tables() if (file := path(table.name, as_of)).is_file()]


def remove_month(as_of: date) -> None:
    for table in warehouse.snapshot_tables():
        shutil.rmtree(path(table.name, as_of).parent, ignore_errors=True)


def erase_user(
    user_id: str, cur: Cursor, loaded: Collection[date], months: Collection[date], *, apply: bool
) -> dict[str, int]:
    """File -> rows of the user. With apply, writes the files of loaded months anew, and deletes other months' files and
    those that a killed load left. Runs inside the transaction that deletes the user's rows.

    months: those in which the database had the user; a killed erasure may have written their files already.
    """
    rows: dict[str, int] = {}
    for table in warehouse.snapshot_tables():
        for month in sorted((folder() / table.name).glob("as_of=*")):
            as_of = date.fromisoformat(month.name.removeprefix("as_of="))
            file = path(table.name, as_of)
            if count := _count(file, user_id):
                rows[str(file)] = count
            if apply:
                (file.with_name(f".{file.name}.partial")).unlink(missing_ok=True)
            if apply and as_of in loaded and (count or as_of in months) and file.is_file():
                warehouse.record_lake_file(cur, table.name, as_of, _write(cur, table, as_of, file))
            elif apply and count and as_of not in loaded:
                file.unlink()
    return rows


def _count(file: Path, user_id: str) -> int:
    """The rows of the user. An unreadable file may have some."""
    if not file.is_file():
        return 0
    try:
        rows = pq.read_table(file, columns=["user_id"], filters=[("user_id", "=", user_id)], partitioning=None)
        return int(rows.num_rows)
    except pa.ArrowInvalid:
        return 1


def require_month(as_of: date) -> None:
    """Raises LakeDisagrees unless every file exists, is the recorded one, and has as many rows as the database."""
    recorded = warehouse.recorded_lake_files(as_of)
    again = f"Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
    for table in warehouse.snapshot_tables():
        file = path(table.name, as_of)
        if table.name not in recorded:
            raise LakeDisagrees(f"No Parquet file of {table.name} was ever written for {as_of}. {again}")
        if not file.is_file():
            raise LakeDisagrees(f"{file} is missing; it was written with {as_of}. {again}")
        if not _is_recorded(file, recorded[table.name]):
            raise LakeDisagrees(f"{file} is not the file that was written with {as_of}. {again}")
        rows = warehouse.count_versions(table, as_of)
        if rows != recorded[table.name].rows:
            raise LakeDisagrees(f"{file} has {recorded[table.name].rows} rows, the database {rows} of {as_of}. {again}")


def _is_recorded(file: Path, recorded: LakeFile | None) -> bool:
    return recorded is not None and file.is_file() and file_sha256(file) == recorded.sha256


def _write(cur: Cursor, table: warehouse.MonthTable, as_of: date, file: Path) -> LakeFile:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft, rows = file.with_name(f".{file.name}.partial"), 0
    schema = warehouse.export_schema(cur, table)
    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:

        def write(chunk: pa.Table) -> None:
            nonlocal rows
            rows += chunk.num_rows
            writer.write_table(chunk)

        warehouse.export(cur, table, as_of, schema, write)
    written = LakeFile(rows, file_sha256(draft))
    draft.replace(file)
    return written
