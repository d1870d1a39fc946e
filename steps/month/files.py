"""A month's six CSV files: their declared schema, and every way in which files can break it. Labels may come later.

In: a folder, or a file of labels. Out: the files' rows as text, exactly as written (so that no number changes on its
way into the database), a chunk at a time, with the empty plan columns of users without internet filled in and whole
numbers without the fraction .0. Raises FaultyMonth with every fault.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import Check, DataFrameSchema

from steps.cli.errors import FaultyMonth
from steps.cli.progress import Advance, ignore
from steps.month.check import Checked, Known, check_file, prints
from steps.month.csv_bytes import Fault
from steps.month.csv_text import TextFile
from steps.month.digest import LABELS, files_sha256, has_labels
from steps.month.rules import (
    category,
    day,
    flag,
    known_categories,
    number,
    user_id,
    whole,
    with_new_categories,
    with_whole_numbers,
)

HOURS_IN_30_DAYS = 30 * 24
MINUTES_IN_A_DAY = 24 * 60
PLANS = ("plan_stream_tv", "plan_stream_movies")
SHOWN_FAULTS = 50

Adapted = Callable[[DataFrameSchema], DataFrameSchema]
"""From the declared schema of a file to the one that it is checked against."""


def _is_explained(rows: pd.DataFrame, column: str) -> "pd.Series[bool]":
    return (rows[column] != "") | (rows["net_service"] == "No")


FILES: Mapping[str, DataFrameSchema] = {
    "users": DataFrameSchema(
        {
            "user_id": user_id(),
            "signup_date": day(),
            "user_gender": category("Female", "Male"),
            "user_is_senior": flag(),
            "has_family": flag(),
            "has_dependents": flag(),
        }
    ),
    "subscriptions": DataFrameSchema(
        {
            "user_id": user_id(),
            "months_active": whole(high=1200),
            "plan_stream_tv": flag(may_be_empty=True),
            "plan_stream_movies": flag(may_be_empty=True),
            "contract_type": category("Month-to-month", "One year", "Two year"),
            "paperless_billing": flag(),
            "monthly_fee": number(high=10_000),
            "total_paid": number(),
            "net_service": category("DSL", "Fiber optic", "No"),
        },
        checks=[
            Check(_is_explained, name="is empty although net_service is not No", ignore_na=False, column=plan)
            for plan in PLANS
        ],
    ),
    "usage_agg_30d": DataFrameSchema(
        {
            "user_id": user_id(),
            "watch_hours_30d": number(high=HOURS_IN_30_DAYS),
            "avg_session_mins_7d": number(high=MINUTES_IN_A_DAY),
            "unique_devices_30d": whole(high=10_000),
            "skips_7d": whole(),
            "rebuffer_events_7d": whole(),
        }
    ),
    "payments_agg_90d": DataFrameSchema({"user_id": user_id(), "failed_payments_90d": whole(high=10_000)}),
    "support_agg_90d": DataFrameSchema(
        {
            "user_id": user_id(),
            "support_tickets_90d": whole(high=100_000),
            "ticket_avg_resolution_hrs_90d": number(high=100_000),
        }
    ),
    "labels": DataFrameSchema({"user_id": user_id(), "churn_label": flag()}),
}


@dataclass(frozen=True)
class Month:
    """A checked month: where it is, the sha256 over the six files' bytes, and each file's rows, a chunk at a time."""

    folder: Path
    files_sha256: str
    rows: Mapping[str, int]

    def chunks(self, name: str) -> Iterator[pa.RecordBatch]:
        """Columns in declared order, all text. Raises FaultyMonth when the file is not the one that was checked."""
        for rows in _chunks(self.folder / f"{name}.csv", name, self.rows[name]):
            yield _with_plans_filled(rows) if name == "subscriptions" else rows


@dataclass(frozen=True)
class Labels:
    """A checked file of labels."""

    path: Path
    rows: int

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """As those of a month."""
        return _chunks(self.path, LABELS, self.rows)


def read_month(folder: Path, as_of: date, advance: Advance = ignore, *, new_categories: bool = False) -> Month:
    """Raises FaultyMonth, with every fault found in any of the files, unless all of them keep to the schema.

    new_categories: whether a column of categories may hold names that the schema does not know.
    """
    checked = _check_files(folder, advance, with_new_categories if new_categories else lambda schema: schema)
    _require_no_faults(folder, as_of, checked)
    return Month(folder, files_sha256(folder), {name: found.rows for name, found in checked.items()})


def read_labels(path: Path, as_of: date, users: pa.Array, advance: Advance = ignore) -> Labels:
    """users: the month's, who alone may be in the file. Raises FaultyMonth as read_month does."""
    schema = FILES[LABELS]
    known = Known(prints(users), f"is not a user of {as_of}")
    checked, _prints = check_file(TextFile(path, list(schema.columns)), schema, known, advance)
    _require_no_faults(path, as_of, {LABELS: checked})
    return Labels(path, checked.rows)


def _require_no_faults(where: Path, as_of: date, checked: Mapping[str, Checked]) -> None:
    faults = [fault for one in checked.values() for fault in sorted(one.faults, key=lambda fault: fault.line or 0)]
    if faults:
        raise FaultyMonth(_summary(where, as_of, faults, sum(one.count for one in checked.values())), faults)


def _chunks(path: Path, name: str, expected: int) -> Iterator[pa.RecordBatch]:
    file, rows = TextFile(path, list(FILES[name].columns)), 0
    for chunk in file.chunks():
        rows += chunk.rows.num_rows
        yield with_whole_numbers(chunk.rows, FILES[name])
    if file.faults or rows != expected:
        changed = Fault(file.path.name, problem="was changed while it was being loaded")
        raise FaultyMonth(f"{changed}; nothing was loaded. Load it again", [changed])


def count_new_categories(month: Month) -> dict[str, dict[str, int]]:
    """By column, the names that the schema does not know, and how many rows have each."""
    found: dict[str, dict[str, int]] = {}
    for name, known in [(name, known_categories(FILES[name])) for name in month.rows]:
        for column, names in known.items():
            texts = pa.chunked_array([rows[column] for rows in month.chunks(name)], pa.string())
            new = pc.value_counts(texts.filter(pc.invert(pc.is_in(texts, value_set=pa.array(names)))))
            if len(new):
                found[column] = {str(row["values"]): int(row["counts"].as_py()) for row in new}
    return found


def _check_files(folder: Path, advance: Advance, adapted: Adapted) -> dict[str, Checked]:
    """users.csv first: the other files are to name nobody who is not in it."""
    checked: dict[str, Checked] = {}
    known: Known | None = None
    for name, schema in FILES.items():
        file = TextFile(folder / f"{name}.csv", list(schema.columns))
        if name == LABELS and not has_labels(folder):
            continue
        checked[name], users = check_file(file, adapted(schema), known, advance)
        known = Known(users, "is not in users.csv") if name == "users" and len(users) else known
    return checked


def _with_plans_filled(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Without internet there is no streaming plan: empty means False there (elsewhere it was a fault)."""
    for plan in PLANS:
        filled = pc.if_else(pc.equal(rows[plan], ""), "False", rows[plan])
        rows = rows.set_column(rows.schema.get_field_index(plan), plan, filled)
    return rows


def _summary(where: Path, as_of: date, faults: list[Fault], count: int) -> str:
    shown = "\n".join(f"  {fault}" for fault in faults[:SHOWN_FAULTS])
    hidden = count - min(SHOWN_FAULTS, len(faults))
    kept = "all of them are" if count == len(faults) else f"the first {len(faults)} are"
    more = f"\n  … and {hidden} more: {kept} in the run's artifact faults.csv" if hidden > 0 else ""
    what = f"{count} faults in {where} for {as_of}; nothing was loaded."
    return f"{what} Correct the files and load again:\n{shown}{more}"
