"""The months in the warehouse: their days, users, rows and online values; and the removal of one."""

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import psycopg

from steps.cli.errors import NoSnapshot
from steps.warehouse.connection import SCHEMA_LOCK, Cursor, event_time, first_column, statement, transaction
from steps.warehouse.loading import MonthTable


def month_fingerprint(as_of: date) -> str:
    """One value for all snapshot rows of the month, whatever their order."""
    return str(first_column("month_fingerprint", as_of=event_time(as_of))[0])


def files_sha256(as_of: date) -> str | None:
    """The sha256 of the files that the month was loaded from; None when it was never loaded."""
    try:
        checksums = first_column("files_of_month", as_of=event_time(as_of))
    except psycopg.errors.UndefinedTable:
        return None  # no month was ever loaded into this database
    return str(checksums[0]) if checksums else None


def loaded_at(as_of: date) -> datetime | None:
    """When the month's rows were changed last by a load; None when it is not loaded."""
    moments = first_column("month_loaded_at", as_of=event_time(as_of))
    return moments[0] if moments else None


def loaded_months() -> list[date]:
    """The as_of days of the ingested months, oldest first."""
    try:
        return [moment.date() for moment in first_column("months")]
    except psycopg.errors.UndefinedTable:
        return []  # no month was ever loaded into this database


def require_month(as_of: date) -> None:
    """Raises NoSnapshot unless the month was ingested."""
    loaded = loaded_months()
    if as_of not in loaded:
        available = f"Loaded are: {', '.join(map(str, loaded))}" if loaded else "No month is loaded"
        raise NoSnapshot(
            f"No snapshot for {as_of}. {available}. Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )


def require_known(as_of: date) -> None:
    """Raises NoSnapshot when nothing of a loaded month was known on its as_of day."""
    if not first_column("any_known", as_of=event_time(as_of))[0]:
        raise NoSnapshot(
            f"No user of {as_of} was known on that day: every row was loaded with a later known_at. "
            f"Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )


def entities(as_of: date) -> str:
    """A query, for Feast to embed, for the users with a profile snapshot at as_of."""
    return statement("entities").format(as_of=event_time(as_of).isoformat()).strip()


def entities_of_file(path: Path) -> str:
    """The same query for Spark, over the month's Parquet file of profiles."""
    return statement("entities_of_file").format(path=path).strip()


def count_versions(table: MonthTable, as_of: date) -> int:
    """The number of versions of the month's rows."""
    return int(first_column("count_versions", table.versions, as_of=event_time(as_of))[0])


def count_snapshot(table: str, as_of: date) -> int:
    """The number of the month's rows."""
    return int(first_column("count_versions", table, as_of=event_time(as_of))[0])


def online_as_of(online_tables: Iterable[str]) -> date | None:
    """The newest event time in Feast's online tables; None where all are empty."""
    newest = [moment for table in online_tables for moment in first_column("online_as_of", table) if moment]
    return max(newest).date() if newest else None


def month_rows(as_of: date) -> dict[str, int]:
    """The month's rows by table, and its users who are in no other month; without zeros."""
    with transaction() as cur:
        _run(cur, "month_counts", as_of)
        return {table: count for table, count in cur.fetchall() if count}


def scores_of_month(as_of: date) -> dict[str, int]:
    """Model version -> number of users it has scored."""
    with transaction() as cur:
        _run(cur, "scores_of_month", as_of)
        return dict(cur.fetchall())


def remove_month(as_of: date) -> None:
    """All or nothing; changes nothing where the month is not loaded. Waits for a running load."""
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        _run(cur, "remove_month", as_of)


def _run(cur: Cursor, name: str, as_of: date) -> None:
    only_users = statement("users_of_month_only")
    values = {"as_of": event_time(as_of), "period_start": as_of}
    cur.execute(statement(name).format(users=only_users), values)
