"""python -m deploy.containers.new_months: catch_up, for a folder of months that may not be empty.

In: a folder with month_000, month_001, …; made-up months are never written into it. Out: as for `mlflow run .`. With
--as-of, this month only. Before that, what people asked for on the console's page: a month may wait for it.
"""

import argparse
import sys
from pathlib import Path

from configuration import months
from deploy.containers.first_month import ensure_experiment, mlflow_run
from local_stack import chain
from local_stack.settings import StackError
from steps import warehouse
from steps.registry import approvals


def main() -> None:
    parser = argparse.ArgumentParser(prog="new_months", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with month_000, month_001, …")
    parser.add_argument("--as-of", help="the day of one month, YYYY-MM-DD")
    args = parser.parse_args()
    try:
        run_chains(args.data, args.as_of)
    except StackError as error:
        sys.exit(f"[ERROR] {error}")


def run_chains(data: Path, as_of: str | None) -> None:
    """Raises StackError for a wrong folder, and where a month waits, is stopped or fails: later months build on it."""
    month = chain.month_of(data, as_of) if as_of else None
    if month is None and not any(months.day_of_folder(path.name) for path in data.iterdir()):
        raise StackError(f"{data} has no month. Copy month_000, month_001, … there; see docs/your-months.md")
    ensure_experiment()
    warehouse.apply_schema()
    warehouse.make_log_days()  # also in a month without files
    if approvals.open_requests():
        mlflow_run("-e", "approve", "-P", "pending=true")
    if month is None:
        mlflow_run("-e", "catch_up", "-P", f"months_dir={data}")
    else:
        mlflow_run("-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}")


if __name__ == "__main__":
    main()
