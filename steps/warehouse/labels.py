"""Loads a month's labels. They have two layers, one from the month's files and one from separate, later files; each
layer has versions with the time they became known. The table labels holds the labels that are valid now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import psycopg
import pyarrow as pa
from psycopg import sql

from steps.cli.errors import RowRefused
from steps.cli.progress import Advance, ignore
from steps.warehouse.connection import SCHEMA_LOCK, Cursor, event_time, statement, transaction
from steps.warehouse.staging import Change, Staged, staged, staging_table

LABELS_FILE = "labels"


@dataclass(frozen=True)
class LabelsLoad:
    """A load of labels. late: from a separate file, not with their month's files."""

    as_of: date
    known_at: date
    sha256: str  # over the files they came in
    late: bool

    @property
    def values(self) -> dict[str, object]:
        return {"month": self.as_of, "known_at": event_time(self.known_at), "late": self.late}


def load_late_labels(load: LabelsLoad, batches: Iterable[pa.RecordBatch], advance: Advance = ignore) -> Change:
    """Adds labels to a month, and corrects those of earlier separate files, in one transaction. Idempotent.

    Users who are not in the file keep their label. Raises RowRefused when PostgreSQL refuses a row; then nothing is
    loaded.
    """
    try:
        with transaction() as cur:
            cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            with staged({LABELS_FILE: ("labels", batches)}, advance) as complete:
                (change,) = [update_labels(cur, file, load) for file in complete]
            _require_users_of_month(cur, load.as_of)
            cur.execute(sql.SQL("DROP TABLE {}").format(staging_table(LABELS_FILE)))
            return change
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise RowRefused(f"PostgreSQL refused a label of {load.as_of}; nothing was loaded. {error}") from error


def update_labels(cur: Cursor, file: Staged, load: LabelsLoad) -> Change:
    """Makes the staged labels those of their layer from known_at on. Inside the load's transaction."""
    names = {
        "staging": staging_table(file.name),
        "columns": sql.SQL(", ").join(map(sql.Identifier, file.columns)),
        "month": sql.Identifier("period_start"),
        "table": sql.Identifier("labels"),
    }

    def run(name: str) -> int:
        cur.execute(sql.SQL(statement(name)).format(**names), load.values)
        return int(cur.rowcount)

    record_label_file(cur, load)
    run("any_label")
    if not (cur.fetchone() or (False,))[0]:
        written, deleted = run("insert_labels"), 0
    else:
        run("affected_labels")
        run("planned_labels")
        deleted, written = run("delete_labels"), run("update_labels") + run("add_labels")
        run("forget_labels")
        run("archive_labels")
        cur.execute("DROP TABLE affected_labels, planned_labels")
    if written or deleted:
        cur.execute("ANALYZE labels")
    return Change(file.rows, written, deleted, file.erased)


def record_label_file(cur: Cursor, load: LabelsLoad) -> None:
    values = {**load.values, "as_of": event_time(load.as_of), "sha256": load.sha256}
    if not load.late:
        cur.execute(statement("forget_label_files"), values)
    cur.execute(statement("record_label_file"), values)


def _require_users_of_month(cur: Cursor, as_of: date) -> None:
    names = {"staging": staging_table(LABELS_FILE), "users": query_of_users(as_of)}
    cur.execute(sql.SQL(statement("unknown_labelled")).format(**names))
    unknown = cur.fetchone()
    if unknown:
        raise RowRefused(f"A label is of user {unknown[0]!r}, who is not a user of {as_of}; nothing was loaded")


def query_of_users(as_of: date) -> sql.Composed:
    """A query for the distinct ids of the month's users."""
    return sql.SQL(statement("users_of_month")).format(as_of=sql.Literal(event_time(as_of)))
