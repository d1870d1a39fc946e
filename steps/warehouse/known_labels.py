"""A month's labels as training sets take them, and whose are missing."""

from datetime import date

import pandas as pd
import pyarrow as pa
from psycopg import sql

from steps.warehouse.connection import event_time, first_column, statement, transaction
from steps.warehouse.export import copy_out
from steps.warehouse.labels import query_of_users

EVER = date(9999, 12, 31)


def users_of(as_of: date) -> pa.Array:
    """The ids of the month's users, each once."""
    parts: list[pa.Array] = []
    with transaction() as cur:
        copy_out(
            cur, query_of_users(as_of), {"user_id": pa.string()}, lambda rows: parts.extend(rows["user_id"].chunks)
        )
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def count_without_label(as_of: date) -> int:
    """How many of the month's users."""
    with transaction() as cur:
        cur.execute(sql.SQL(statement("count_without_label")).format(users=query_of_users(as_of)), _values(as_of, None))
        return int((cur.fetchone() or (0,))[0])


def labels_of(as_of: date, known_at: date | None = None) -> pd.DataFrame:
    """user_id (text) and churn_label (bool) of the month: of each user the label that was known first, or, given a day,
    the one that counted on that day."""
    with transaction() as cur:
        cur.execute(_labels(known_at), _values(as_of, known_at))
        found = pd.DataFrame(cur.fetchall(), columns=["user_id", "churn_label"])
    return found.astype({"user_id": "object", "churn_label": "bool"})


def any_label(as_of: date) -> bool:
    """Whether any label of the month was ever loaded."""
    return bool(first_column("any_label", month=as_of)[0])


def newest_labels_of(as_of: date) -> pd.DataFrame:
    """The same, with every correction that is known by now: what came true."""
    return labels_of(as_of, EVER)


def labels_fingerprint(as_of: date, known_at: date | None = None) -> str:
    """One value for all of these labels."""
    with transaction() as cur:
        cur.execute(statement("labels_fingerprint").format(labels=_labels(known_at)), _values(as_of, known_at))
        return str((cur.fetchone() or ("",))[0])


def label_files(as_of: date, known_at: date | None = None) -> list[str]:
    """The sha256 of each file that the month's labels came in, in the order of their loads: of the month's files
    together, or of a file of labels alone."""
    with transaction() as cur:
        cur.execute(statement("label_files"), {"as_of": event_time(as_of), "known_at": event_time(known_at or EVER)})
        return [str(row[0]) for row in cur.fetchall()]


def _labels(known_at: date | None) -> str:
    return statement("labels_known_at" if known_at else "labels_first_known")


def _values(as_of: date, known_at: date | None) -> dict[str, object]:
    return {"period_start": as_of, "known_at": event_time(known_at) if known_at else None}
