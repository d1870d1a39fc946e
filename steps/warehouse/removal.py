"""A month taken out of the warehouse: what there is of it, and all of that gone in one transaction."""

from datetime import date

from psycopg2.extensions import cursor

from steps.warehouse.connection import SCHEMA_LOCK, event_time, statement, transaction


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


def _run(cur: cursor, name: str, as_of: date) -> None:
    lonely = statement("users_of_one_month")
    values = {"as_of": event_time(as_of), "period_start": as_of}
    cur.execute(statement(name).format(users=lonely), values)
