"""Check a month's folder without loading it. In: the folder, and the month before in PostgreSQL. Out: nothing but the
run's rules.csv, and an error that lists every fault.

Checked are the six files, late labels of earlier months (labels_YYYY-MM-DD.csv), and the rules across months: columns
that must change and do not, columns with one value, missing values, users who are gone. A rule that is broken stops the
month with exit code 3, unless accept names it; either is recorded as a decision.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

import mlflow
import pandas as pd

from steps import warehouse
from steps.chain import checking, late_labels, month_folder, stopping
from steps.chain.checking import Checked
from steps.cli import console, dates, parameters, progress, spreadsheet
from steps.cli.errors import FaultyMonth, StoppedByRule
from steps.month import files
from steps.runs import descriptions, outcomes, tracking


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("check_month", f"check_{args.as_of}", vars(args)):
        mlflow.set_tag("as_of", args.as_of)
        loaded = warehouse.loaded_months()
        if not args.confirm_date:
            dates.require_likely(args.as_of, loaded)
        folder = month_folder.read(args.month_dir, args.as_of, loaded)
        mlflow.set_tag("folder_sha256", folder.sha256)
        checked = check(folder, new_categories=args.new_categories)
        log(checked)
        try:
            accepted = checking.decide(checked, stopping.rules_in(args.accept), outcomes.person())
        except StoppedByRule as stop:
            outcomes.record(stop.exit_code)
            raise
        descriptions.conclude(summary(checked, len(accepted)))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="check_month", description=__doc__)
    parameters.add_month_folder(parser)
    parser.add_argument("--accept", type=stopping.accepted, required=True, help="rules that the month may break")
    return parser.parse_args(argv)


def check(folder: month_folder.MonthFolder, *, new_categories: bool) -> Checked:
    """Raises FaultyMonth, with the faults as an artifact."""
    try:
        with progress.timed("check the files"), progress.bar("check") as advance:
            month = files.read_month(folder.path, folder.as_of, advance, new_categories=new_categories)
        for labels in folder.late_labels:
            late_labels.check(labels.path, labels.as_of)
    except FaultyMonth as error:
        mlflow.log_text(spreadsheet.to_csv(pd.DataFrame(error.faults)), "faults.csv")
        raise
    return checking.across(month, folder)


def log(checked: Checked) -> None:
    if checked.rows:
        mlflow.log_text(spreadsheet.to_csv(pd.DataFrame([asdict(row) for row in checked.rows])), "rules.csv")


def summary(checked: Checked, accepted: int) -> str:
    folder = checked.folder
    late = f", late labels of {', '.join(str(labels.as_of) for labels in folder.late_labels)}" * bool(
        folder.late_labels
    )
    watches = [row.reason for row in checked.rows if row.verdict == "watch"]
    rules = f"{len(checked.rows)} rules across months hold" if checked.rows else "no month before to compare with"
    rules = f"{accepted} broken rules across months are accepted" if accepted else rules
    watch = f" To watch: {'; '.join(watches)}." if watches else ""
    return f"[OK] {folder.as_of} in {folder.path}: the files are right{late}; {rules}.{watch}"


if __name__ == "__main__":
    console.run(main)
