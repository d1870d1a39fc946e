"""Free disk space. In: the number of newest months to keep. Out: a list of deletable data, which apply=true deletes:
artifacts of older runs that no version needs, scores of older months, days of the prediction log
older than STREAMFLOW_PREDICTION_LOG_DAYS, and all but the newest part of the stack's logs.

Versions, their trainings and datasets stay, and so do all runs with their metrics: lineage, rollback and serving lose
nothing. Safe to repeat, and to kill: the next run deletes the rest.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd

from steps import warehouse
from steps.cleanup import leftovers, old_logs
from steps.cleanup.leftovers import Leftover
from steps.cli import console, parameters, progress, spreadsheet
from steps.cli.settings import Settings
from steps.runs import descriptions, tracking
from steps.warehouse import OldLog, OldScores

MB = 1e6
MOST_MONTHS = 1000


@dataclass(frozen=True)
class Deletable:
    """The data that can be deleted."""

    before: date | None  # the oldest kept month; None when no month is older
    artifacts: Sequence[Leftover]
    scores: Sequence[OldScores]
    logs: dict[Path, int]
    predictions: OldLog

    @property
    def bytes(self) -> int:
        months = sum(run.bytes for run in self.artifacts) + sum(month.bytes for month in self.scores)
        return months + self.predictions.bytes + sum(self.logs.values())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("prune", "prune", vars(args)):
        deletable = find(args.keep_months)
        mlflow.log_text(listed(deletable.artifacts), "artifacts.csv")
        for line in lines(deletable, args.keep_months):
            console.say(line)
        if not args.apply:
            mlflow.log_metric("mb_to_free", deletable.bytes / MB)
            command = f"mlflow run . -e prune -P keep_months={args.keep_months} -P apply=true"
            descriptions.conclude(
                f"[OK] {deletable.bytes / MB:.1f} MB can be freed. Nothing was deleted. To delete: {command}"
            )
            return
        with progress.timed("delete"):
            freed = delete(deletable)
        mlflow.log_metric("mb_freed", freed / MB)
        descriptions.conclude(f"[OK] Freed {freed / MB:.1f} MB.")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prune", description=__doc__)
    parser.add_argument(
        "--keep-months",
        type=parameters.whole_number(1, MOST_MONTHS),
        required=True,
        help="the number of newest loaded months to keep",
    )
    parser.add_argument("--apply", type=parameters.yes_or_no, required=True, help="true: delete; false: only list")
    return parser.parse_args(argv)


def find(keep_months: int) -> Deletable:
    """Raises DatabaseUnavailable, TrackingUnavailable, ArtifactsUnavailable."""
    warehouse.apply_schema()
    months, logs = warehouse.loaded_months(), old_logs.excess(Settings.from_env().logs)
    predictions = warehouse.old_log(warehouse.oldest_kept())
    if len(months) <= keep_months:
        return Deletable(None, [], [], logs, predictions)
    before = months[-keep_months]
    return Deletable(before, leftovers.leftovers(before), warehouse.old_scores(before), logs, predictions)


def delete(deletable: Deletable) -> int:
    """Returns the freed bytes. Holds the promotion lock per run: no version of it is promoted in the meantime."""
    freed = 0
    for leftover in deletable.artifacts:
        with warehouse.promotion_lock():
            freed += leftovers.delete(leftover)
    for scores in deletable.scores:
        warehouse.delete_old_scores(scores.as_of)
        freed += scores.bytes
    warehouse.delete_old_log(deletable.predictions)
    warehouse.make_log_days()
    return freed + deletable.predictions.bytes + sum(old_logs.cut(log) for log in deletable.logs)


def lines(deletable: Deletable, keep_months: int) -> list[str]:
    """The console's lines, one per kind of data."""
    before = deletable.before
    if before is None:
        old = [f"  months     at most {keep_months} are loaded: no artifacts and no scores are old"]
    else:
        runs, size = Counter(run.step for run in deletable.artifacts), sum(run.bytes for run in deletable.artifacts)
        by_step = ", ".join(f"{step} {count}" for step, count in sorted(runs.items())) or "none"
        rows = sum(month.rows for month in deletable.scores)
        table = sum(month.bytes for month in deletable.scores)
        old = [
            f"  artifacts    of runs of months before {before} that no version needs: {by_step}; {size / MB:.1f} MB",
            f"  scores       of months before {before}: {rows} rows; {table / MB:.1f} MB, which PostgreSQL reuses",
        ]
    beyond = sum(deletable.logs.values())
    logs = ", ".join(path.name for path in deletable.logs) or "none"
    kept = f"beyond their newest {old_logs.KEPT_BYTES / MB:.0f} MB"
    return [*old, _line(deletable.predictions), f"  logs         {kept}: {logs}; {beyond / MB:.1f} MB"]


def _line(predictions: OldLog) -> str:
    late = f", {predictions.rows_without_a_day} rows without a day" if predictions.rows_without_a_day else ""
    return (
        f"  predictions  logged before {predictions.before} (STREAMFLOW_PREDICTION_LOG_DAYS): "
        f"{len(predictions.days)} days{late}; {predictions.bytes / MB:.1f} MB"
    )


def listed(artifacts: Sequence[Leftover]) -> str:
    """CSV, one row per run."""
    rows = [(leftover.run.info.run_id, leftover.step, leftover.month, leftover.bytes) for leftover in artifacts]
    return spreadsheet.to_csv(pd.DataFrame(rows, columns=["run_id", "step", "as_of", "bytes"]))


if __name__ == "__main__":
    console.run(main)
