"""The days of the prediction log: one partition each, made ahead by the owner, because the gateway's role only appends.

Rows of a day without a partition go to prediction_log_default, and move when the day's partition is made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from steps.warehouse.connection import (
    SCHEMA_LOCK,
    Cursor,
    event_time,
    statement,
    transaction,
    without_blocking_readers,
)

DAYS_AHEAD = 14
# A write takes milliseconds; only a session that was taken over blocks for longer
PATIENCE_S = 10.0
PREFIX = "prediction_log_"


@dataclass(frozen=True)
class LogDay:
    """A day's partition of the prediction log."""

    day: date
    bytes: int


def make_log_days(today: date | None = None) -> list[date]:
    """Makes the missing partitions: of today, of the days ahead, and of earlier days with rows in the default one.
    today: in UTC. Raises DatabaseUnavailable."""
    first = today or datetime.now(UTC).date()
    last = first + timedelta(days=DAYS_AHEAD)
    with transaction() as cur:
        cur.execute(statement("log_days_in_default"), {"before": event_time(last)})
        wanted = {day for (day,) in cur.fetchall()} | {first + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)}
    missing = sorted(wanted - {log_day.day for log_day in log_days()})
    for day in missing:
        with _changed_log() as cur:
            cur.execute("SELECT to_regclass(%s)", (_name(day),))
            if cur.fetchall() != [(None,)]:  # another process was first
                continue
            names = {"partition": sql.Identifier(_name(day)), "first": sql.Literal(event_time(day))}
            end = sql.Literal(event_time(day + timedelta(days=1)))
            cur.execute(sql.SQL(statement("make_log_day")).format(**names, end=end))
    return missing


def log_days(before: date = date.max) -> list[LogDay]:
    """Oldest first, without the default partition."""
    with transaction() as cur:
        cur.execute(statement("log_days"))
        days = [LogDay(datetime.strptime(name, f"{PREFIX}%Y%m%d").date(), size) for name, size in cur.fetchall()]  # noqa: DTZ007 - a date
    return [day for day in days if day.day < before]


def delete_log_day(day: date) -> None:
    with _changed_log() as cur:
        cur.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(_name(day))))


def _name(day: date) -> str:
    return f"{PREFIX}{day:%Y%m%d}"


@contextmanager
def _changed_log() -> Iterator[Cursor]:
    """A transaction of its own for each day: writers wait for one only."""
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        with without_blocking_readers(cur, PATIENCE_S):
            yield cur
