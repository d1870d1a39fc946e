"""Load one month, all or nothing. In: the CSV files of a folder. Out: its snapshots and labels in PostgreSQL, and the
snapshots as Parquet files in the lake. Without labels.csv, labels stay unchanged; the entry point labels loads them.

A month's values count as known from its as_of on, however late it is loaded, unless known_at names a later day. Then
training sets of days before known_at keep the values that were known before.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow as pa

from steps import warehouse
from steps.cli import console, dates, parameters, progress, spreadsheet
from steps.cli.errors import FaultyMonth
from steps.features import lake
from steps.month import files
from steps.month.digest import origin_of
from steps.runs import descriptions, tracking

NewCategories = Mapping[str, Mapping[str, int]]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    known_at = args.known_at or args.as_of
    return_freed_memory()
    with tracking.step_run("ingest", f"ingest_{args.as_of}", vars(args)):
        if not args.confirm_date:
            dates.require_likely(args.as_of, warehouse.loaded_months())
        allowed = Allowed(args.mix, args.new_categories)
        changes, new = ingest(args.month_dir, args.as_of, known_at, allowed)
        mlflow.log_dict({table: asdict(change) for table, change in changes.items()}, "rows.json")
        mlflow.log_metrics({f"rows_{table}": change.rows for table, change in changes.items()})
        descriptions.conclude(summary(args.as_of, changes, new))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__)
    parameters.add_month_folder(parser)
    parser.add_argument(
        "--known-at",
        type=parameters.optional(parameters.as_of),
        required=True,
        help="the day these values became known; '' for as_of",
    )
    parser.add_argument(
        "--mix", type=parameters.yes_or_no, required=True, help="true: made-up and real months in one warehouse"
    )
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Allowed:
    """The exceptions that the user has allowed."""

    mix: bool = False  # made-up and real months in one warehouse
    new_categories: bool = False  # unknown names in columns of categories


def ingest(
    folder: Path, as_of: date, known_at: date, allowed: Allowed
) -> tuple[dict[str, warehouse.Change], NewCategories]:
    """Returns the changes by table, and by column the new categories with their number of users.

    Raises BadParameter, FaultyMonth, MixedOrigins, RowRefused; then nothing is loaded.
    """
    dates.require_knowable(as_of, known_at)
    lake.folder()  # raises before any work where none is set
    try:
        with progress.timed("check the files"), progress.bar("check") as advance:
            month = files.read_month(folder, as_of, advance, new_categories=allowed.new_categories)
            new = files.count_new_categories(month) if allowed.new_categories else {}
    except FaultyMonth as error:
        mlflow.log_text(spreadsheet.to_csv(pd.DataFrame(error.faults)), "faults.csv")
        raise
    mlflow.set_tags({"files_sha256": month.files_sha256, "as_of": as_of})
    with progress.timed("load"), progress.bar("load", sum(month.rows.values())) as advance:
        warehouse.apply_schema()
        load = warehouse.MonthLoad(as_of, known_at, month.files_sha256, origin_of(folder), allowed.mix)
        chunks = {name: month.chunks(name) for name in month.rows}

        def before_commit(cur: warehouse.Cursor, changes: Mapping[str, warehouse.Change]) -> None:
            month.require_unchanged()
            lake.write_month(as_of, cur, changes)

        return warehouse.load_month(load, chunks, before_commit, advance), new


def return_freed_memory() -> None:
    """Selects an Arrow pool that returns freed memory to the system: the default one keeps 40 MB."""
    pools = {"jemalloc": pa.jemalloc_memory_pool, "system": pa.system_memory_pool}
    pa.set_memory_pool(next(pools[name] for name in pools if name in pa.supported_memory_backends())())


def summary(as_of: date, changes: Mapping[str, warehouse.Change], new: NewCategories) -> str:
    written = sum(change.written for change in changes.values())
    deleted = sum(change.deleted for change in changes.values())
    rows = sum(change.rows for change in changes.values())
    result = f"{written} rows written, {deleted} deleted" if written or deleted else "nothing changed"
    files = "six files" if changes["labels"].rows else "five files; without labels.csv, labels stay unchanged"
    loaded = f"[OK] Ingested {as_of}: {changes['users'].rows} users, {rows} rows in {files}; {result}."
    return f"{loaded}{_erased(changes)}{_warning(new)}"


def _erased(changes: Mapping[str, warehouse.Change]) -> str:
    rows = sum(change.erased for change in changes.values())
    return f" {rows} rows of {changes['users'].erased} erased users were left out (see erase_user)." if rows else ""


def _warning(new: NewCategories) -> str:
    categories = [
        f"{column} {name!r} ({users} users)" for column, names in new.items() for name, users in names.items()
    ]
    if not categories:
        return ""
    return (
        f" [WARNING] New categories: {', '.join(categories)}. Versions trained on earlier months do not know them: "
        "these users have no score and get a named error until a version is trained on them."
    )


if __name__ == "__main__":
    console.run(main)
