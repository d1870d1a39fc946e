"""Make up months of data in the real layout. In: a folder, numbers of users and months, and a seed.
Out: in that folder month_000 (as of 2024-01-31), month_001 (one month end later)..., each with six CSV files and
sample.json, which marks them as made up.

Same arguments, same bytes. Months are written in hidden folders and renamed when all are complete: a folder month_NNN
is never half a month. It replaces an older one of that name; others stay.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from steps.cli import console, parameters, progress
from steps.cli.errors import StepError
from steps.cli.settings import project_run_id
from steps.month.digest import mark_made_up
from steps.month.files import FILES
from steps.month.population import CHUNK_USERS, MAX_MONTHS, MAX_USERS, monthly_snapshots

MIN_USERS = 100
MAX_SEED = 2**63 - 1

COLUMNS = {f"{name}.csv": list(schema.columns) for name, schema in FILES.items()}

Snapshots = Callable[[int, int], Iterator[pd.DataFrame]]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    started = time.monotonic()
    try:
        write_months(args.out_dir, args.users, args.months, args.seed)
    except OSError as error:
        raise StepError(f"The months could not be written to {args.out_dir}: {error}") from error
    took = f"{time.monotonic() - started:.1f} s"
    line = f"[OK] Wrote {args.months} months of {args.users} users to {args.out_dir} (seed {args.seed}, {took})"
    console.say(line)
    if project_run_id():
        from steps.runs import descriptions  # noqa: PLC0415 - importing MLflow takes seconds

        descriptions.name_project_run(f"sample_months_{args.out_dir.name}", line)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sample_months", description=__doc__)
    parser.add_argument("--out-dir", type=parameters.new_folder, required=True)
    parser.add_argument("--users", type=parameters.whole_number(MIN_USERS, MAX_USERS), required=True)
    parser.add_argument("--months", type=parameters.whole_number(1, MAX_MONTHS), required=True)
    parser.add_argument("--seed", type=parameters.whole_number(0, MAX_SEED), required=True)
    return parser.parse_args(argv)


def write_months(out_dir: Path, users: int, months: int, seed: int, snapshots: Snapshots = monthly_snapshots) -> None:
    finals = [out_dir / f"month_{month:03d}" for month in range(months)]
    drafts = {final: final.with_name(f".{final.name}.partial") for final in finals}
    try:
        for draft in drafts.values():
            start(draft)
        with progress.bar("write", users * months) as advance:
            for chunk, first in enumerate(range(0, users, CHUNK_USERS)):
                # strict=False: the snapshots of a chunk are endless
                for draft, snapshot in zip(drafts.values(), snapshots(seed, chunk), strict=False):
                    rows = snapshot.head(users - first)
                    append(rows, draft)
                    advance(len(rows))
        for month, draft in enumerate(drafts.values()):
            mark_made_up(draft, seed, users, month)
        for final, draft in drafts.items():
            publish(draft, final)
    finally:
        for draft in drafts.values():
            remove(draft)


def start(draft: Path) -> None:
    remove(draft)  # a killed run may have left one
    draft.mkdir(parents=True)
    for name, columns in COLUMNS.items():
        (draft / name).write_text(",".join(columns) + "\n", encoding="utf-8", newline="\n")


def append(rows: pd.DataFrame, draft: Path) -> None:
    text = pa.table({name: as_text(rows[name]) for columns in COLUMNS.values() for name in columns})
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    for name, columns in COLUMNS.items():
        with (draft / name).open("ab") as file:
            csv.write_csv(text.select(columns), file, options)


def as_text(column: pd.Series) -> pa.Array:
    """As in the real files, unlike Arrow's default: True and False, 42.0 for 42, dates without a time."""
    values = pa.array(column)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.date32()).cast(pa.string())
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "True", "False")
    text = values.cast(pa.string())
    if pa.types.is_floating(values.type):
        whole = pc.binary_join_element_wise(text, ".0", "")
        return pc.if_else(pc.match_substring(text, "."), text, whole)
    return text


def publish(draft: Path, final: Path) -> None:
    """Renames the old month first: a folder with files cannot be replaced by a rename."""
    old = final.with_name(f".{final.name}.old")
    remove(old)
    if os.path.lexists(final):
        final.rename(old)
    draft.rename(final)
    remove(old)


def remove(path: Path) -> None:
    """Deletes a file, a folder, or a link without its target."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    console.run(main)
