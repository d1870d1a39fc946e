"""Load one month, all or nothing. In: the six CSV files of a folder. Out: its snapshots and labels in PostgreSQL."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd

from steps import console, month_files, parameters, tracking, warehouse
from steps.errors import FaultyMonth


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    params = {"month_dir": str(args.month_dir), "as_of": args.as_of}
    with tracking.step_run("ingest", f"ingest_{args.as_of}", params):
        changes = ingest(args.month_dir, args.as_of)
        mlflow.log_dict({table: asdict(change) for table, change in changes.items()}, "rows.json")
        mlflow.log_metrics({f"rows_{table}": change.rows for table, change in changes.items()})
        console.say(summary(args.as_of, changes))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__)
    parser.add_argument("--month-dir", type=parameters.existing_folder, required=True, help="folder with the six files")
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    return parser.parse_args(argv)


def ingest(folder: Path, as_of: date) -> dict[str, warehouse.Change]:
    try:
        with console.timed("check the files"):
            month = month_files.read_month(folder, as_of)
    except FaultyMonth as faulty:
        mlflow.log_text(pd.DataFrame(faulty.faults).to_csv(index=False), "faults.csv")
        raise
    mlflow.set_tags({"files_sha256": month.files_sha256, "as_of": as_of})
    with console.timed("load"):
        warehouse.apply_schema()
        return warehouse.load_month(month.tables, as_of, month.files_sha256)


def summary(as_of: date, changes: Mapping[str, warehouse.Change]) -> str:
    written = sum(change.written for change in changes.values())
    deleted = sum(change.deleted for change in changes.values())
    rows = sum(change.rows for change in changes.values())
    what = f"{written} rows written, {deleted} deleted" if written or deleted else "all of it was there already"
    return f"[OK] Ingested {as_of}: {changes['users'].rows} users, {rows} rows in six files; {what}."


if __name__ == "__main__":
    console.run(main)
