"""A month's six CSV files: their schema and its checks. Labels may come later.

In: a folder, or a file of labels. Out: the files' rows a chunk at a time, as text exactly as written, because parsing
would change numbers; only the empty plan columns of users without internet are filled in, and whole numbers lose the
fraction .0. Raises FaultyMonth with every fault.
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
from steps.month.check import AllowedUsers, Checked, check_file, fingerprints, require_no_faults
from steps.month.csv_bytes import FileFault
from steps.month.csv_text import TextFile
from steps.month.digest import LABELS, file_sha256, files_sha256, has_labels
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

HOURS_IN_30_DAYS, MINUTES_IN_A_DAY = 30 * 24, 24 * 60
PLANS = ("plan_stream_tv", "plan_stream_movies")

Adapt = Callable[[DataFrameSchema], DataFrameSchema]
"""From a file's declared schema to the schema it is checked against"""


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
            "months_active": whole(high=1200, advances_by=1),
            "plan_stream_tv": flag(may_be_empty=True),
            "plan_stream_movies": flag(may_be_empty=True),
            "contract_type": category("Month-to-month", "One year", "Two year"),
            "paperless_billing": flag(),
            "monthly_fee": number(high=10_000),
            "total_paid": number(advances_by="monthly_fee"),
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
            "watch_hours_30d": number(high=HOURS_IN_30_DAYS, must_change=True),
            "avg_session_mins_7d": number(high=MINUTES_IN_A_DAY, must_change=True),
            "unique_devices_30d": whole(high=10_000),
            "skips_7d": whole(must_change=True),
            "rebuffer_events_7d": whole(must_change=True),
        }
    ),
    "payments_agg_90d": DataFrameSchema(
        {"user_id": user_id(), "failed_payments_90d": whole(high=10_000, must_change=True)}
    ),
    "support_agg_90d": DataFrameSchema(
        {
            "user_id": user_id(),
            "support_tickets_90d": whole(high=100_000, must_change=True),
            "ticket_avg_resolution_hrs_90d": number(high=100_000, must_change=True),
        }
    ),
    "labels": DataFrameSchema({"user_id": user_id(), "churn_label": flag()}),
}


@dataclass(frozen=True)
class CheckedMonth:
    """A checked month. files_sha256: over the files' bytes. rows: number by file."""

    folder: Path
    files_sha256: str
    rows: Mapping[str, int]

    def require_unchanged(self) -> None:
        """Raises FaultyMonth if the files have other bytes now: files_sha256 is recorded as that of the loaded rows."""
        try:
            now = files_sha256(self.folder)
        except OSError:  # a file is gone
            now = None
        if now != self.files_sha256:
            raise _changed(self.folder)

    def chunks(self, name: str) -> Iterator[pa.RecordBatch]:
        """A file's rows: columns in declared order, all text. Raises FaultyMonth when the file has changed."""
        for rows in _chunks(self.folder / f"{name}.csv", name, self.rows[name]):
            yield _with_plans_filled(rows) if name == "subscriptions" else rows


@dataclass(frozen=True)
class CheckedLabels:
    """A checked file of labels. sha256: over its bytes. rows: their number."""

    path: Path
    sha256: str
    rows: int

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """The file's rows, as CheckedMonth.chunks. Raises FaultyMonth when the file has changed."""
        yield from _chunks(self.path, LABELS, self.rows)
        if file_sha256(self.path) != self.sha256:
            raise _changed(self.path)


def read_month(folder: Path, as_of: date, advance: Advance = ignore, *, new_categories: bool = False) -> CheckedMonth:
    """Checks the six files. advance: called with rows done. Raises FaultyMonth with the faults of all files.

    new_categories: accepts unknown names in columns of categories.
    """
    checked = _check_files(folder, advance, with_new_categories if new_categories else lambda schema: schema)
    require_no_faults(folder, as_of, checked)
    return CheckedMonth(folder, files_sha256(folder), {name: file.rows for name, file in checked.items()})


def read_labels(path: Path, as_of: date, users: pa.Array, advance: Advance = ignore) -> CheckedLabels:
    """Checks a file of labels. users: ids of the month's users, the only ones allowed. Raises FaultyMonth."""
    schema, allowed = FILES[LABELS], AllowedUsers(fingerprints(users), f"is not a user of {as_of}")
    checked, _fingerprints = check_file(TextFile(path, list(schema.columns)), schema, allowed, advance)
    require_no_faults(path, as_of, {LABELS: checked})
    return CheckedLabels(path, file_sha256(path), checked.rows)


def _chunks(path: Path, name: str, expected: int) -> Iterator[pa.RecordBatch]:
    file, rows = TextFile(path, list(FILES[name].columns)), 0
    for chunk in file.chunks():
        rows += chunk.rows.num_rows
        yield with_whole_numbers(chunk.rows, FILES[name])
    if file.faults or rows != expected:
        raise _changed(path)


def _changed(path: Path) -> FaultyMonth:
    changed = FileFault(path.name, problem="changed during the load")
    return FaultyMonth(f"{changed}; nothing was loaded. Load it again", [changed])


def count_new_categories(month: CheckedMonth) -> dict[str, dict[str, int]]:
    """By column, the unknown names and the number of rows with each."""
    new_categories: dict[str, dict[str, int]] = {}
    for name in month.rows:
        for column, names in known_categories(FILES[name]).items():
            texts = pa.chunked_array([rows[column] for rows in month.chunks(name)], pa.string())
            new = pc.value_counts(texts.filter(pc.invert(pc.is_in(texts, value_set=pa.array(names)))))
            if len(new):
                new_categories[column] = {str(row["values"]): int(row["counts"].as_py()) for row in new}
    return new_categories


def _check_files(folder: Path, advance: Advance, adapt: Adapt) -> dict[str, Checked]:
    """Checks users.csv first: it has the users who may be in the others."""
    checked: dict[str, Checked] = {}
    allowed: AllowedUsers | None = None
    for name, schema in FILES.items():
        file = TextFile(folder / f"{name}.csv", list(schema.columns))
        if name == LABELS and not has_labels(folder):
            continue
        checked[name], users = check_file(file, adapt(schema), allowed, advance)
        allowed = AllowedUsers(users, "is not in users.csv") if name == "users" and len(users) else allowed
    return checked


def _with_plans_filled(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Fills empty plans with False. The check has accepted them only for users without internet, who have no plan."""
    for plan in PLANS:
        filled = pc.if_else(pc.equal(rows[plan], ""), "False", rows[plan])
        rows = rows.set_column(rows.schema.get_field_index(plan), plan, filled)
    return rows
