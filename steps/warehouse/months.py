"""The months in the warehouse: which there are, their users, what of them is online; and one removed."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import psycopg

from steps.cli.errors import NoSnapshot
from steps.warehouse.connection import SCHEMA_LOCK, Cursor, event_time, first_column, statement, transaction
from steps.warehouse.loading import Target


def month_fingerprint(as_of: date) -> str:
    """One value for all snapshot rows a training set of this month is made from, whatever order they come back in."""
    return str(first_column("month_fingerprint", as_of=event_time(as_of))[0])


def files_sha256(as_of: date) -> str | None:
    """Of the files that the month was loaded from; None when it was never loaded."""
    try:
        found = first_column("files_of_month", as_of=event_time(as_of))
    except psycopg.errors.UndefinedTable:
        return None  # a database that no month was ever loaded into
    return str(found[0]) if found else None


def loaded_months() -> list[date]:
    """The days of the months that were ingested, the oldest first."""
    try:
        return [moment.date() for moment in first_column("months")]
    except psycopg.errors.UndefinedTable:
        return []  # a database that no month was ever loaded into


def require_month(as_of: date) -> None:
    """Raises NoSnapshot unless the month was ingested."""
    loaded = loaded_months()
    if as_of not in loaded:
        there = f"Loaded are: {', '.join(map(str, loaded))}" if loaded else "No month is loaded"
        raise NoSnapshot(
            f"No snapshot for {as_of}. {there}. Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )


def require_known(as_of: date) -> None:
    """Raises NoSnapshot when the month was loaded, and nothing of it was known on its own day."""
    if not first_column("anybody_known", as_of=event_time(as_of))[0]:
        raise NoSnapshot(
            f"No user of {as_of} was known on that day: all was loaded with a later known_at. "
            f"Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )


def entities(as_of: date) -> str:
    """The query, for Feast to embed, of the users with a profile snapshot at as_of."""
    return statement("entities").format(as_of=event_time(as_of).isoformat()).strip()


def entities_of_file(path: Path) -> str:
    """The same for Spark, of the month's file of profiles."""
    return statement("entities_of_file").format(path=path).strip()


def count_versions(target: Target, as_of: date) -> int:
    return int(first_column("count_versions", target.versions, as_of=event_time(as_of))[0])


def count_snapshot(table: str, as_of: date) -> int:
    return int(first_column("count_versions", table, as_of=event_time(as_of))[0])


def online_as_of(online_tables: Iterable[str]) -> date | None:
    """The newest event time in any of Feast's online tables."""
    newest = [moment for table in online_tables for moment in first_column("online_as_of", table) if moment]
    return max(newest).date() if newest else None


def month_rows(as_of: date) -> dict[str, int]:
    """How many rows each table has of the month, and how many users no other month has; tables without any left out."""
    with transaction() as cur:
        _run(cur, "month_counts", as_of)
        return {table: count for table, count in cur.fetchall() if count}


def scores_of_month(as_of: date) -> dict[str, int]:
    """Version of the model -> how many users it has scored."""
    with transaction() as cur:
        _run(cur, "scores_of_month", as_of)
        return dict(cur.fetchall())


def remove_month(as_of: date) -> None:
    """All or nothing; nothing to do where the month is not there. Waits for a load under way."""
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        _run(cur, "remove_month", as_of)


def _run(cur: Cursor, name: str, as_of: date) -> None:
    lonely = statement("users_of_one_month")
    values = {"as_of": event_time(as_of), "period_start": as_of}
    cur.execute(statement(name).format(users=lonely), values)
