"""The days of the prediction log: one partition each, made ahead by the owner, because the gateway's role only appends.

Rows of a day without a partition go to prediction_log_default, and move when the day's partition is made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from steps.cli.settings import Settings
from steps.warehouse.connection import (
    SCHEMA_LOCK,
    Cursor,
    event_time,
    statement,
    transaction,
    without_blocking_readers,
)

# longer than from one month's materialize to the next
DAYS_AHEAD = 45
# A write takes milliseconds; only a session that was taken over blocks for longer
PATIENCE_S = 10.0
PREFIX = "prediction_log_"


@dataclass(frozen=True)
class LogDay:
    """A day's partition of the prediction log."""

    day: date
    bytes: int


@dataclass(frozen=True)
class OldLog:
    """The prediction log's rows from before a day."""

    before: date
    days: list[LogDay]
    """Oldest first"""
    rows_without_a_day: int
    """In the default partition"""

    @property
    def bytes(self) -> int:
        return sum(day.bytes for day in self.days)


def oldest_kept() -> date:
    """In UTC. Earlier days are old."""
    return datetime.now(UTC).date() - timedelta(days=Settings.from_env().prediction_log_days)


def make_log_days(today: date | None = None) -> list[date]:
    """Makes the missing partitions: of today, of the days ahead, and of kept days with rows in the default partition.

    today: in UTC. Returns the days that were made. Raises DatabaseUnavailable.
    """
    first = today or datetime.now(UTC).date()
    ahead = {first + timedelta(days=number) for number in range(DAYS_AHEAD + 1)}
    with transaction() as cur:
        # of wrong clocks, or of a gateway that was taken over, no days are made without limit
        limits = {"since": event_time(min(first, oldest_kept())), "before": event_time(max(ahead))}
        cur.execute(statement("log_days_in_default"), limits)
        late = {day for (day,) in cur.fetchall()}
    missing = sorted((ahead | late) - {log_day.day for log_day in _log_days()})
    return [day for day in missing if _make(day)]


def old_log(before: date) -> OldLog:
    with transaction() as cur:
        cur.execute(statement("log_rows_in_default"), {"before": event_time(before)})
        [rows] = cur.fetchall()[0]
    return OldLog(before, [day for day in _log_days() if day.day < before], rows)


def delete_old_log(old: OldLog) -> None:
    for log_day in old.days:
        with _changed_log() as cur:
            cur.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(_name(log_day.day))))
    with transaction() as cur:
        cur.execute(statement("delete_log_rows_in_default"), {"before": event_time(old.before)})


def _make(day: date) -> bool:
    """False where another process was first."""
    with _changed_log() as cur:
        cur.execute("SELECT to_regclass(%s)", (_name(day),))
        if cur.fetchall() != [(None,)]:
            return False
        names = {"partition": sql.Identifier(_name(day)), "first": sql.Literal(event_time(day))}
        end = sql.Literal(event_time(day + timedelta(days=1)))
        cur.execute(sql.SQL(statement("make_log_day")).format(**names, end=end))
    return True


def _log_days() -> list[LogDay]:
    """Oldest first, without the default partition."""
    with transaction() as cur:
        cur.execute(statement("log_days"))
        return [LogDay(datetime.strptime(name, f"{PREFIX}%Y%m%d").date(), size) for name, size in cur.fetchall()]  # noqa: DTZ007 - a date


def _name(day: date) -> str:
    return f"{PREFIX}{day:%Y%m%d}"


@contextmanager
def _changed_log() -> Iterator[Cursor]:
    """A transaction of its own for each day: writers wait for one only."""
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        with without_blocking_readers(cur, PATIENCE_S):
            yield cur
