"""A month's rows on their way in: all six files in one transaction, in line with the files when it ends."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from steps.cli.errors import RowRefused
from steps.cli.progress import Advance, ignore
from steps.warehouse.connection import SCHEMA_LOCK, Cursor, event_time, statement, transaction
from steps.warehouse.labels import LabelsLoad, bring_labels_in_line
from steps.warehouse.origins import months_of_other_origin, require_same_users
from steps.warehouse.staging import Change, Staged, staged, staging_table


@dataclass(frozen=True)
class Target:
    """Where a file's rows go, and how."""

    table: str
    update: str
    insert: str

    @property
    def dated(self) -> bool:
        """True for snapshots: rows with versions, of which each became known at some moment."""
        return self.insert == "insert_month"

    @property
    def versions(self) -> str:
        """The view of every version of the table's rows."""
        return self.table.replace("_snapshots", "_versions")

    @property
    def superseded(self) -> str:
        return self.table.replace("_snapshots", "_superseded")


USERS = Target("users", "update_users", "insert_users")
TARGETS: Mapping[str, Target] = {
    "users": USERS,
    "subscriptions": Target("subscriptions_profile_snapshots", "update_month", "insert_month"),
    "usage_agg_30d": Target("usage_agg_30d_snapshots", "update_month", "insert_month"),
    "payments_agg_90d": Target("payments_agg_90d_snapshots", "update_month", "insert_month"),
    "support_agg_90d": Target("support_agg_90d_snapshots", "update_month", "insert_month"),
    "labels": Target("labels", "update_labels", "insert_labels"),  # see labels.py
}


@dataclass(frozen=True)
class Load:
    """What a month's load is about. known_at: the day from which its values count as known; as_of when not later.

    origin: 'files', or 'sample' for made-up months; mix: whether months of both may be in one warehouse.
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
    load: Load, files: Mapping[str, Iterable[pa.RecordBatch]], before_commit: BeforeCommit, advance: Advance = ignore
) -> dict[str, Change]:
    """Brings the month in line with its files, in one transaction. Idempotent: a second call changes nothing. Without
    a file of labels, labels stay as they are.

    Raises RowRefused when a row breaks a constraint of the schema, and MixedOrigins; nothing is loaded then.
    """
    to_stage = {file: (target.table, files[file]) for file, target in TARGETS.items() if file in files}
    changes = {target.table: Change(0, 0, 0) for target in TARGETS.values()}
    try:
        with transaction() as cur:
            cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            others = [] if load.mix else months_of_other_origin(cur, load.origin)
            month = {"as_of": event_time(load.as_of), "files_sha256": load.files_sha256, "origin": load.origin}
            cur.execute(statement("register_month"), month)
            with staged(to_stage, advance) as complete:
                for one in complete:
                    if TARGETS[one.file] is USERS:
                        require_same_users(cur, staging_table(one.file), load.as_of, load.origin, others)
                    changes[TARGETS[one.file].table] = _bring_in_line(cur, one, load)
            cur.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(map(staging_table, to_stage))))
            before_commit(cur, changes)
            return changes
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise RowRefused(f"PostgreSQL refused a row of {load.as_of}; nothing was loaded. {error}") from error


def _bring_in_line(cur: Cursor, file: Staged, load: Load) -> Change:
    target = TARGETS[file.file]
    if target.table == "labels":
        return bring_labels_in_line(cur, file, load.of_labels)
    names, values = _names(target, file), load.values

    def run(name: str) -> int:
        cur.execute(sql.SQL(statement(name)).format(**names), values)
        return int(cur.rowcount)

    stored = _count(cur, names, values) if target is not USERS else 0  # users are never deleted: history names them
    forgotten = run("forget_superseded") if target.dated else 0  # versions, which the lake's file holds too
    if target.dated:
        run("archive_superseded")
    updated, inserted = run(target.update), run(target.insert)
    loaded_before = file.rows - inserted
    deleted = run("delete_absent") if stored > loaded_before else 0
    if updated or inserted or deleted:
        # without statistics the planner joined a first month in 35 s instead of 0.3
        cur.execute(sql.SQL("ANALYZE {table}").format(**names))
    return Change(file.rows, updated + inserted, deleted + forgotten)


def _count(cur: Cursor, names: Mapping[str, sql.Composable], values: Mapping[str, object]) -> int:
    cur.execute(sql.SQL(statement("count_month")).format(**names), values)
    (stored,) = cur.fetchone() or (0,)
    return int(stored)


def _names(target: Target, file: Staged) -> dict[str, sql.Composable]:
    """What the templates in sql/ name: tables and columns, quoted."""
    values = [column for column in file.columns if column != "user_id"]

    def listed(names: Sequence[str], prefix: str = "") -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(prefix) + sql.Identifier(name) for name in names)

    return {
        "table": sql.Identifier(target.table),
        "superseded": sql.Identifier(target.superseded),
        "staging": staging_table(file.file),
        "columns": listed(file.columns),
        "values": listed(values),
        "stored_columns": listed(file.columns, "stored."),
        "loaded_columns": listed(file.columns, "loaded."),
        "stored_values": listed(values, "stored."),
        "loaded_values": listed(values, "loaded."),
    }
