"""Load labels of a loaded month, all or nothing. In: a CSV file of user_id and churn_label, for some or all of the
month's users. Out: the month's labels in PostgreSQL.

Users who are not in the file keep their label. Labels count as known from the month's as_of on, unless known_at names
a later day. Then training sets keep the labels they have, and get the missing ones.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd

from steps import warehouse
from steps.chain import late_labels
from steps.cli import console, dates, parameters, progress, spreadsheet
from steps.cli.errors import FaultyMonth
from steps.runs import descriptions, tracking


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("labels", f"labels_{args.as_of}", vars(args)):
        change = load(args.labels_file, args.as_of, args.known_at or args.as_of)
        mlflow.log_dict({"labels": asdict(change)}, "rows.json")
        mlflow.log_metrics({"rows_labels": change.rows})
        descriptions.conclude(summary(args.as_of, change))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="labels", description=__doc__)
    parser.add_argument(
        "--labels-file", type=parameters.existing_file, required=True, help="CSV file: user_id, churn_label"
    )
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument(
        "--known-at",
        type=parameters.optional(parameters.as_of),
        required=True,
        help="the day these labels became known; '' for as_of",
    )
    return parser.parse_args(argv)


def load(file: Path, as_of: date, known_at: date) -> warehouse.Change:
    """Raises BadParameter, NoSnapshot, FaultyMonth, RowRefused; then nothing is loaded."""
    dates.require_knowable(as_of, known_at)
    warehouse.require_month(as_of)
    warehouse.apply_schema()
    try:
        labels = late_labels.check(file, as_of)
    except FaultyMonth as error:
        mlflow.log_text(spreadsheet.to_csv(pd.DataFrame(error.faults)), "faults.csv")
        raise
    mlflow.set_tags({"labels_sha256": labels.sha256, "as_of": as_of})
    with progress.timed("load"), progress.bar("load", labels.rows) as advance:
        labels_load = warehouse.LabelsLoad(as_of, known_at, labels.sha256, late=True)
        return warehouse.load_late_labels(labels_load, labels.chunks(), advance)


def summary(as_of: date, change: warehouse.Change) -> str:
    result = f"{change.written} written" if change.written else "nothing changed"
    missing = warehouse.count_without_label(as_of)
    rest = f"{missing} users of the month have no label yet" if missing else "every user of the month has a label"
    erased = f" {change.erased} labels of erased users were left out." if change.erased else ""
    return f"[OK] Loaded {change.rows} labels of {as_of}: {result}; {rest}.{erased}"


if __name__ == "__main__":
    console.run(main)
