"""Erase a user. In: a user_id. Out: no row of the user in the warehouse, the online store, the lake and the scores, and
no mention in logs and runs; a list of what was deleted and of what remains (datasets, backups), as erased.csv.

A later load leaves the user's rows out. Safe to repeat, also after a kill: the next run deletes the rest. The run does
not record the user_id.
"""

import argparse
from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd

from steps import warehouse
from steps.cleanup import user_artifacts, user_copies, user_logs, user_runs
from steps.cleanup.user_text import Subject, Trace
from steps.cli import console, parameters, progress, spreadsheet
from steps.cli.errors import BadParameter
from steps.features import engines, historical, lake, online_month
from steps.runs import descriptions, tracking

if TYPE_CHECKING:
    from feast import FeatureStore

SHOWN = 20


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("erase_user", "erase_user", {"dry_run": args.dry_run}):
        recorded = user_runs.forget_own_parameter()
        user_id = chosen(args.user_id, args.user_id_file)
        warehouse.apply_schema()
        with historical.applied_store(engines.open_online) as store:
            subject = Subject(user_id, online_month.entity_key(user_id))
            with progress.timed("search"):
                traces, erased_before = process(store, subject, apply=False)
            require_any(traces, erased_before)
            if not args.dry_run:
                with progress.timed("erase"):
                    traces, _before = process(store, subject, apply=True)
                warehouse.vacuum()
        publish([*traces, *recorded, *user_copies.listed(subject)], erased_before, dry_run=args.dry_run)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="erase_user", description=__doc__)
    parser.add_argument("--user-id", type=parameters.optional(parameters.text), required=True, help="any text")
    parser.add_argument(
        "--user-id-file",
        type=parameters.optional(parameters.existing_file),
        required=True,
        help="a file with the user_id, instead of --user-id",
    )
    parser.add_argument("--dry-run", type=parameters.yes_or_no, required=True, help="true: only list; false: erase")
    return parser.parse_args(argv)


def chosen(user_id: str | None, file: Path | None) -> str:
    """Raises BadParameter unless exactly one is given."""
    if (user_id is None) == (file is None):
        raise BadParameter("Give the user to erase: -P user_id=…, or -P user_id_file=FILE, one of both")
    if file is None:
        return str(user_id)
    try:
        text = file.read_text(encoding="utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise BadParameter(f"{file} is not UTF-8 text") from error
    if not text or "\0" in text:
        raise BadParameter(f"{file} has no user_id")
    return text


def process(store: "FeatureStore", subject: Subject, *, apply: bool) -> tuple[list[Trace], date | None]:
    """The traces, and the day of an earlier erasure of the user. Without apply it only counts."""
    loaded = warehouse.loaded_months()
    with warehouse.erased(subject.user_id, subject.entity_key, commit=apply) as rows:
        files = lake.erase_user(subject.user_id, rows.cur, loaded, rows.fingerprints, apply=apply)
        keys = online_month.erase_from_redis(store, subject.entity_key, apply=apply)
        before = rows.erased_before.date() if rows.erased_before else None
    stored = [Trace(place, count) for place, count in {**rows.rows, **files, **keys}.items() if count]
    artifacts, datasets = user_artifacts.erase(subject, apply=apply)
    if apply:
        user_runs.mark_datasets(datasets, before or datetime.now(UTC).date())
    runs, logs = user_runs.erase(subject, apply=apply), user_logs.erase(subject, apply=apply)
    return [*stored, *artifacts, *runs, *logs], before


def require_any(traces: Sequence[Trace], erased_before: date | None) -> None:
    """Raises BadParameter for a user without a trace. The message does not repeat the user_id: the run records it."""
    if erased_before is None and not any(trace.count for trace in traces):
        raise BadParameter("No trace of this user_id in any table, file, run or log: nothing was changed")


def publish(traces: Sequence[Trace], erased_before: date | None, *, dry_run: bool) -> None:
    """Prints the traces and logs them as erased.csv."""
    removed = [trace for trace in traces if not trace.remedy]
    remaining = [trace for trace in traces if trace.remedy]
    mlflow.log_text(listed(traces), "erased.csv")
    console.say("Would be erased:" if dry_run else "Erased:")
    show([f"{trace.place}: {trace.count}" for trace in removed] or ["nothing"])
    console.say("Remains:")
    show([f"{trace.place}{f': {trace.count}' if trace.count else ''}; {trace.remedy}" for trace in remaining])
    count = sum(trace.count for trace in removed)
    mlflow.log_metrics({"erased": 0 if dry_run else count, "remaining_places": len(remaining)})
    earlier = f" The user was erased before, on {erased_before}." if erased_before else ""
    outcome = f"{count} rows and mentions in {len(removed)} places"
    effect = f"Nothing was changed: {outcome} would be erased" if dry_run else f"Erased {outcome}"
    descriptions.conclude(f"[OK] {effect}; {len(remaining)} places remain, listed in erased.csv.{earlier}")


def show(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        console.say(f"  {line}")
    if len(lines) > SHOWN:
        console.say(f"  and {len(lines) - SHOWN} more")


def listed(traces: Sequence[Trace]) -> str:
    """CSV, one row per place."""
    rows = [("remains" if trace.remedy else "erased", *astuple(trace)) for trace in traces]
    return spreadsheet.to_csv(pd.DataFrame(rows, columns=["outcome", "place", "count", "to delete it"]))


if __name__ == "__main__":
    console.run(main)
