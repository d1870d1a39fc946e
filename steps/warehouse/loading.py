"""Loads a month's six files in one transaction, after which the tables have the files' rows and no others."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from steps.cli.errors import RowRefused
from steps.cli.progress import Advance, ignore
from steps.warehouse.connection import SCHEMA_LOCK, Cursor, event_time, statement, transaction
from steps.warehouse.labels import LabelsLoad, update_labels
from steps.warehouse.origins import months_of_other_origin, require_same_users
from steps.warehouse.staging import Change, Staged, staged, staging_table


@dataclass(frozen=True)
class MonthTable:
    """The table of a month's file, and the statements in sql/ that write it."""

    name: str
    update: str
    insert: str

    @property
    def is_snapshot(self) -> bool:
        """True where rows have versions, each with the time it became known."""
        return self.insert == "insert_month"

    @property
    def versions(self) -> str:
        """The view with every version of the table's rows."""
        return self.name.replace("_snapshots", "_versions")

    @property
    def superseded(self) -> str:
        """The table with the versions that were replaced."""
        return self.name.replace("_snapshots", "_superseded")


USERS = MonthTable("users", "update_users", "insert_users")
MONTH_TABLES: Mapping[str, MonthTable] = {
    "users": USERS,
    "subscriptions": MonthTable("subscriptions_profile_snapshots", "update_month", "insert_month"),
    "usage_agg_30d": MonthTable("usage_agg_30d_snapshots", "update_month", "insert_month"),
    "payments_agg_90d": MonthTable("payments_agg_90d_snapshots", "update_month", "insert_month"),
    "support_agg_90d": MonthTable("support_agg_90d_snapshots", "update_month", "insert_month"),
    "labels": MonthTable("labels", "update_labels", "insert_labels"),  # see labels.py
}


@dataclass(frozen=True)
class MonthLoad:
    """A load of a month. known_at: the day its values became known, not before as_of.

    origin: 'files', or 'sample' for made-up months. mix: allows months of both origins in one warehouse.
    """

    as_of: date
    known_at: date
    files_sha256: str
    origin: str = "files"
    mix: bool = False

    @property
    def values(self) -> dict[str, datetime]:
        return {"month": event_time(self.as_of), "known_at": event_time(self.known_at)}

    @property
    def of_labels(self) -> LabelsLoad:
        return LabelsLoad(self.as_of, self.known_at, self.files_sha256, late=False)


BeforeCommit = Callable[[Cursor, Mapping[str, Change]], object]


def load_month(
    load: MonthLoad,
    files: Mapping[str, Iterable[pa.RecordBatch]],
    before_commit: BeforeCommit,
    advance: Advance = ignore,
) -> dict[str, Change]:
    """Makes the month's rows those of its files, in one transaction. Idempotent: a second call changes nothing. Without
    a file of labels, labels stay unchanged. Returns the changes by table.

    Raises RowRefused when a row breaks a constraint of the schema, and MixedOrigins; then nothing is loaded.
    """
    to_stage = {file: (table.name, files[file]) for file, table in MONTH_TABLES.items() if file in files}
    changes = {table.name: Change(0, 0, 0) for table in MONTH_TABLES.values()}
    try:
        with transaction() as cur:
            cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            other_months = [] if load.mix else months_of_other_origin(cur, load.origin)
            month = {"as_of": event_time(load.as_of), "files_sha256": load.files_sha256, "origin": load.origin}
            cur.execute(statement("register_month"), month)
            with staged(to_stage, advance) as complete:
                for file in complete:
                    if MONTH_TABLES[file.name] is USERS:
                        require_same_users(cur, staging_table(file.name), load.as_of, load.origin, other_months)
                    changes[MONTH_TABLES[file.name].name] = _update(cur, file, load)
            cur.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(map(staging_table, to_stage))))
            before_commit(cur, changes)
            return changes
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise RowRefused(f"PostgreSQL refused a row of {load.as_of}; nothing was loaded. {error}") from error


def _update(cur: Cursor, file: Staged, load: MonthLoad) -> Change:
    table = MONTH_TABLES[file.name]
    if table.name == "labels":
        return update_labels(cur, file, load.of_labels)
    names, values = _names(table, file), load.values

    def run(name: str) -> int:
        cur.execute(sql.SQL(statement(name)).format(**names), values)
        return int(cur.rowcount)

    # users are never deleted: older months refer to them
    stored = 0 if table is USERS else _count(cur, names, values)
    forgotten = run("forget_superseded") if table.is_snapshot else 0  # versions, which the lake's file holds too
    if table.is_snapshot:
        run("archive_superseded")
    updated, inserted = run(table.update), run(table.insert)
    loaded_before = file.rows - inserted
    deleted = run("delete_absent") if stored > loaded_before else 0
    if updated or inserted or deleted:
        # without statistics the planner joined a first month in 35 s instead of 0.3
        cur.execute(sql.SQL("ANALYZE {table}").format(**names))
    return Change(file.rows, updated + inserted, deleted + forgotten, file.erased)


def _count(cur: Cursor, names: Mapping[str, sql.Composable], values: Mapping[str, object]) -> int:
    cur.execute(sql.SQL(statement("count_month")).format(**names), values)
    (stored,) = cur.fetchone() or (0,)
    return int(stored)


def _names(table: MonthTable, file: Staged) -> dict[str, sql.Composable]:
    """The quoted names of tables and columns for the templates in sql/."""
    values = [column for column in file.columns if column != "user_id"]

    def listed(names: Sequence[str], prefix: str = "") -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(prefix) + sql.Identifier(name) for name in names)

    return {
        "table": sql.Identifier(table.name),
        "superseded": sql.Identifier(table.superseded),
        "staging": staging_table(file.name),
        "columns": listed(file.columns),
        "values": listed(values),
        "stored_columns": listed(file.columns, "stored."),
        "loaded_columns": listed(file.columns, "loaded."),
        "stored_values": listed(values, "stored."),
        "loaded_values": listed(values, "loaded."),
    }
