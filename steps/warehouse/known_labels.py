"""A month's labels as they were known at some day, and the users without one."""

from datetime import date

import pyarrow as pa
from psycopg import sql

from steps.warehouse.connection import event_time, first_column, statement, transaction
from steps.warehouse.export import copy_out
from steps.warehouse.labels import query_of_users

END_OF_TIME = date(9999, 12, 31)
LABELS = pa.schema([("user_id", pa.string()), ("churn_label", pa.bool_())])
CHUNK_ROWS = 50_000


def users_of(as_of: date) -> pa.Array:
    """The distinct ids of the month's users."""
    parts: list[pa.Array] = []
    with transaction() as cur:
        copy_out(
            cur, query_of_users(as_of), {"user_id": pa.string()}, lambda rows: parts.extend(rows["user_id"].chunks)
        )
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def count_without_label(as_of: date) -> int:
    """The number of the month's users without a label."""
    with transaction() as cur:
        cur.execute(sql.SQL(statement("count_without_label")).format(users=query_of_users(as_of)), _values(as_of, None))
        return int((cur.fetchone() or (0,))[0])


def labels_of(as_of: date, known_at: date | None = None) -> pa.Table:
    """The month's labels, a row per user: user_id (text), churn_label (bool). Without known_at, the label that was
    known first; with it, the label that was valid on that day."""
    parts = [LABELS.empty_table()]
    with transaction() as cur:
        cur.execute(_labels(known_at), _values(as_of, known_at))
        while rows := cur.fetchmany(CHUNK_ROWS):  # not all at once: a million rows take 200 MB as Python's objects
            parts.append(pa.table(list(zip(*rows, strict=True)), schema=LABELS))
    return pa.concat_tables(parts)


def any_label(as_of: date) -> bool:
    """True if a label of the month was ever loaded."""
    return bool(first_column("any_label", month=as_of)[0])


def newest_labels_of(as_of: date) -> pa.Table:
    """labels_of with every correction known today."""
    return labels_of(as_of, END_OF_TIME)


def labels_fingerprint(as_of: date, known_at: date | None = None) -> str:
    """One value for all rows of labels_of, whatever their order."""
    with transaction() as cur:
        cur.execute(statement("labels_fingerprint").format(labels=_labels(known_at)), _values(as_of, known_at))
        return str((cur.fetchone() or ("",))[0])


def newest_labels_fingerprint(as_of: date) -> str:
    """One value for all rows of newest_labels_of, whatever their order."""
    return labels_fingerprint(as_of, END_OF_TIME)


def label_files(as_of: date, known_at: date | None = None) -> list[str]:
    """The sha256 of each load of the month's labels, oldest first: over the month's files together, or over a separate
    file of labels."""
    with transaction() as cur:
        cur.execute(
            statement("label_files"), {"as_of": event_time(as_of), "known_at": event_time(known_at or END_OF_TIME)}
        )
        return [str(row[0]) for row in cur.fetchall()]


def _labels(known_at: date | None) -> str:
    return statement("labels_known_at" if known_at else "labels_first_known")


def _values(as_of: date, known_at: date | None) -> dict[str, object]:
    return {"period_start": as_of, "known_at": event_time(known_at) if known_at else None}
