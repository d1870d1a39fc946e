"""python -m deploy.containers.new_months: runs the chain for the months whose chain has not finished yet, oldest first.

In: a folder with month_000, month_001, …; made-up months are never written into it. Out: as for `mlflow run .`. With
--as-of, the chain runs for this month only, even if it has finished before.
"""

import argparse
import sys
from pathlib import Path

from configuration import names
from configuration.months import NUMBERED, day_of
from deploy.containers.first_month import ensure_experiment, mlflow_run
from local_stack import chain
from local_stack.chain import Month
from local_stack.settings import StackError
from steps import warehouse


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
    """Raises StackError for a wrong folder, and at the first chain that fails: later months build on earlier ones."""
    months = [chain.month_of(data, as_of)] if as_of else list_months(data)
    ensure_experiment()
    warehouse.apply_schema()
    warehouse.make_log_days()  # also in a month without files
    if as_of is None:
        months = unfinished(months)
    for month in months:
        mlflow_run("-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}")
    if not months:
        print(f"[OK] The chain has finished for every month in {data}; nothing was changed.")


def list_months(data: Path) -> list[Month]:
    """Oldest first. Raises StackError if there is none, or if one is incomplete."""
    numbers = sorted(int(match[1]) for path in data.glob("month_*") if (match := NUMBERED.fullmatch(path.name)))
    if not numbers:
        raise StackError(f"{data} has no month. Copy month_000, month_001, … there; see docs/your-months.md")
    return [chain.month_of(data, str(day_of(number))) for number in numbers]


def unfinished(months: list[Month]) -> list[Month]:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, which a wrong folder does not need

    client = MlflowClient()
    experiment = client.get_experiment_by_name(names.EXPERIMENT).experiment_id
    return [
        month
        for month in months
        if not client.search_runs([experiment], filter_string=chain.finished_runs(month), max_results=1)
    ]


if __name__ == "__main__":
    main()
