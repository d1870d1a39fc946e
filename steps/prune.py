"""Make room. In: how many of the newest months to keep. Out: nothing but a list of what could go, or, with apply=true,
artifacts of older runs that no version needs, scores of older months, and all but the newest part of the stack's logs.

Versions, their trainings and datasets stay, as do all runs with their figures: lineage, rollback and what serves lose
nothing. Safe to repeat, and to kill: what was not deleted then is next time.
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
from steps.cli import console, parameters, progress
from steps.cli.settings import Settings
from steps.runs import descriptions, tracking
from steps.warehouse import OldScores

MB = 1e6
MOST_MONTHS = 1000


@dataclass(frozen=True)
class Room:
    """What could go."""

    before: date | None  # the oldest month that is kept; None when there are not more months than are kept
    artifacts: Sequence[Leftover]
    scores: Sequence[OldScores]
    logs: dict[Path, int]

    @property
    def bytes(self) -> int:
        old = sum(one.bytes for one in self.artifacts) + sum(one.bytes for one in self.scores)
        return old + sum(self.logs.values())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("prune", "prune", {"keep_months": args.keep_months, "apply": args.apply}):
        room = find(args.keep_months)
        mlflow.log_text(listed(room.artifacts), "artifacts.csv")
        for line in lines(room, args.keep_months):
            console.say(line)
        if not args.apply:
            mlflow.log_metric("mb_to_free", room.bytes / MB)
            command = f"mlflow run . -e prune -P keep_months={args.keep_months} -P apply=true"
            descriptions.conclude(
                f"[OK] {room.bytes / MB:.1f} MB can be freed. Nothing was deleted. To delete: {command}"
            )
            return
        with progress.timed("delete"):
            freed = delete(room)
        mlflow.log_metric("mb_freed", freed / MB)
        descriptions.conclude(f"[OK] Freed {freed / MB:.1f} MB.")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prune", description=__doc__)
    parser.add_argument(
        "--keep-months", type=parameters.whole_number(1, MOST_MONTHS), required=True, help="the newest ones loaded"
    )
    parser.add_argument("--apply", type=parameters.yes_or_no, required=True, help="true: delete; false: only say what")
    return parser.parse_args(argv)


def find(keep_months: int) -> Room:
    """Raises DatabaseUnavailable, TrackingUnavailable, ArtifactsUnavailable."""
    warehouse.apply_schema()
    months, logs = warehouse.loaded_months(), old_logs.excess(Settings.from_env().logs)
    if len(months) <= keep_months:
        return Room(None, [], [], logs)
    before = months[-keep_months]
    return Room(before, leftovers.leftovers(before), warehouse.old_scores(before), logs)


def delete(room: Room) -> int:
    """The bytes freed. A run goes under the promotion lock, so that no version is promoted of it meanwhile."""
    freed = 0
    for one in room.artifacts:
        with warehouse.promotion_lock():
            freed += leftovers.delete(one)
    for scores in room.scores:
        warehouse.delete_old_scores(scores.as_of)
        freed += scores.bytes
    return freed + sum(old_logs.cut(log) for log in room.logs)


def lines(room: Room, keep_months: int) -> list[str]:
    """What could go, by kind."""
    if room.before is None:
        old = [f"  months     there are not more than {keep_months}: no artifacts and no scores are old"]
    else:
        runs, size = Counter(one.step for one in room.artifacts), sum(one.bytes for one in room.artifacts)
        named = ", ".join(f"{step} {count}" for step, count in sorted(runs.items())) or "none"
        rows, table = sum(one.rows for one in room.scores), sum(one.bytes for one in room.scores)
        old = [
            f"  artifacts  of runs of months before {room.before} that no version needs: {named}; {size / MB:.1f} MB",
            f"  scores     of months before {room.before}: {rows} rows; {table / MB:.1f} MB, for PostgreSQL to reuse",
        ]
    beyond = sum(room.logs.values())
    logs = ", ".join(path.name for path in room.logs) or "none"
    kept = f"beyond their newest {old_logs.KEPT_BYTES / MB:.0f} MB"
    return [*old, f"  logs       {kept}: {logs}; {beyond / MB:.1f} MB"]


def listed(artifacts: Sequence[Leftover]) -> str:
    """CSV: a row a run."""
    rows = [(one.run.info.run_id, one.step, one.month, one.bytes) for one in artifacts]
    return pd.DataFrame(rows, columns=["run_id", "step", "as_of", "bytes"]).to_csv(index=False)


if __name__ == "__main__":
    console.run(main)
