"""Erases a user from every table, and keeps later loads from bringing the user back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import psycopg
from psycopg import sql

from configuration import names
from steps.warehouse.connection import (
    MATERIALIZE_LOCK,
    SCHEMA_LOCK,
    Cursor,
    event_time,
    statement,
    transaction,
    vacuum_tables,
)
from steps.warehouse.loading import MONTH_TABLES

BUSY = "a load, a materialisation or a scoring"


@dataclass
class ErasedRows:
    """The rows of one user by table, and the time of an earlier erasure of the same user. cur: of the transaction that
    deletes them. fingerprints: of the user's months, before it."""

    cur: Cursor
    erased_before: datetime | None
    fingerprints: dict[date, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Erasure:
    """An erasure's effect on a month's fingerprint."""

    erased_at: datetime
    before: str
    after: str


@dataclass(frozen=True)
class UserTable:
    """column: user_id, or entity_key in Feast's online tables."""

    schema: str
    name: str
    column: str

    def __str__(self) -> str:
        return self.name if self.column == "user_id" else f"{self.schema}.{self.name}"

    @property
    def names(self) -> dict[str, sql.Identifier]:
        return {"table": sql.Identifier(self.schema, self.name), "column": sql.Identifier(self.column)}


def _tables(cur: Cursor) -> list[UserTable]:
    """Read from the catalogue: a later migration's table is among them."""
    cur.execute(statement("tables_of_users"), {"online": names.ONLINE_SCHEMA})
    return [UserTable(*row) for row in cur.fetchall()]


@contextmanager
def erased(user_id: str, entity_key: bytes, *, commit: bool) -> Iterator[ErasedRows]:
    """Deletes the user's rows, from Feast's online tables too, and commits when the block ends, or without `commit`
    rolls back. Until then no load, materialisation, scoring or removal of a month runs: none can write the user again.

    Raises DatabaseUnavailable, where such a step runs for longer than a minute.
    """
    with transaction(busy=BUSY) as cur:
        for lock in (MATERIALIZE_LOCK, SCHEMA_LOCK):
            cur.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        cur.execute("LOCK TABLE churn_scores, campaigns IN SHARE ROW EXCLUSIVE MODE")
        _set_target(cur, user_id, entity_key)
        rows = ErasedRows(cur, _erased_before(cur))
        _delete(rows)
        yield rows
        if commit:
            _record(rows)
        else:
            cur.connection.rollback()


def _set_target(cur: Cursor, user_id: str, entity_key: bytes) -> None:
    cur.execute('CREATE TEMP TABLE erased_now (user_id text COLLATE "C", entity_key bytea) ON COMMIT DROP')
    with psycopg.Cursor(cur.connection) as bound:  # the others put values into the statement, which an error logs
        bound.execute(statement("erasure_target"), (user_id, entity_key))


def _erased_before(cur: Cursor) -> datetime | None:
    cur.execute(statement("erased_before"))
    return next((at for (at,) in cur.fetchall()), None)


def _delete(rows: ErasedRows) -> None:
    cur = rows.cur
    cur.execute(statement("months_of_erased"))
    months = [moment.date() for (moment,) in cur.fetchall()]
    rows.fingerprints = {month: _fingerprint(cur, month) for month in months}
    for table in _tables(cur):
        cur.execute(sql.SQL(statement("erase_rows")).format(**table.names))
        rows.rows[str(table)] = cur.rowcount
    for file in MONTH_TABLES:  # of a load that was killed; under the lock none is running
        cur.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("staging", file)))


def _record(rows: ErasedRows) -> None:
    cur = rows.cur
    cur.execute(statement("record_erased_user"))
    for month, before in rows.fingerprints.items():
        values = {"as_of": event_time(month), "before": before, "after": _fingerprint(cur, month)}
        cur.execute(statement("record_erasure"), values)


def _fingerprint(cur: Cursor, as_of: date) -> str:
    cur.execute(statement("month_fingerprint"), {"as_of": event_time(as_of)})
    return str(cur.fetchall()[0][0])


def vacuum() -> None:
    """Removes deleted rows from the tables, and the user from the planner's statistics about values."""
    with transaction() as cur:
        tables = [table.names["table"] for table in _tables(cur)]
    vacuum_tables(BUSY, *tables)


def erasures_of(as_of: date) -> list[Erasure]:
    """Oldest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("erasures_of_month"), {"as_of": event_time(as_of)})
            return [Erasure(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # a warehouse that no step of this version has used yet


def erased_among(user_ids: Sequence[str]) -> list[str]:
    """Those of the users who were erased."""
    with transaction() as cur:
        cur.execute(statement("erased_among"), {"user_ids": list(user_ids)})
        return [user_id for (user_id,) in cur.fetchall()]


def any_erased() -> bool:
    with transaction() as cur:
        cur.execute(statement("any_erased"))
        return bool(cur.fetchall()[0][0])
