"""The only module that talks SQL. Statements live in sql/; the address comes from libpq's own PG… variables."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor

from steps.errors import DatabaseUnavailable, NoSnapshot, RowRefused
from steps.settings import Settings

SQL_FOLDER = Path(__file__).parent / "sql"
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 60_000
ONE_LOADER_AT_A_TIME = 0x57F10  # any fixed number: the key of the advisory lock that ingests take


@dataclass(frozen=True)
class Target:
    """Where a file's rows go, and the column that says which month they belong to."""

    table: str
    month: str = "as_of"

    def month_value(self, as_of: date) -> date | datetime:
        return as_of if self.month == "period_start" else event_time(as_of)


USERS = Target("users")
TARGETS: Mapping[str, Target] = {
    "users": USERS,
    "subscriptions": Target("subscriptions_profile_snapshots"),
    "usage_agg_30d": Target("usage_agg_30d_snapshots"),
    "payments_agg_90d": Target("payments_agg_90d_snapshots"),
    "support_agg_90d": Target("support_agg_90d_snapshots"),
    "labels": Target("labels", month="period_start"),
}


@dataclass(frozen=True)
class Change:
    """What a load did to one table, in rows."""

    rows: int
    written: int
    deleted: int


def event_time(as_of: date) -> datetime:
    """A month's moment: the start of its as_of day, UTC."""
    return datetime.combine(as_of, time.min, tzinfo=UTC)


def statement(name: str) -> str:
    return re.sub(r"^--.*\n", "", (SQL_FOLDER / f"{name}.sql").read_text(), flags=re.MULTILINE)


@contextmanager
def transaction() -> Iterator[cursor]:
    """One transaction: all of it or nothing. Raises DatabaseUnavailable when PostgreSQL does not answer or goes."""
    where, session = Settings.from_env().database, f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"
    try:
        connected = psycopg2.connect(connect_timeout=CONNECT_TIMEOUT_S, options=session)
        with closing(connected), connected, connected.cursor() as opened:
            yield opened
    except psycopg2.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(
            f"PostgreSQL at {where}: another load is under way. Try again when it is done"
        ) from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DatabaseUnavailable(f"PostgreSQL at {where}: {reason}. Is the stack up? make up") from error


def ping() -> None:
    with transaction():
        pass  # to have connected is the answer


def apply_schema() -> None:
    with transaction() as cur:
        # two at once would race for the same catalogue rows
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (ONE_LOADER_AT_A_TIME,))
        cur.execute(statement("schema"))


def load_month(tables: Mapping[str, pd.DataFrame], as_of: date, files_sha256: str) -> dict[str, Change]:
    """Brings the month in line with its files, in one transaction. Idempotent: a second call changes nothing.

    Raises RowRefused when a row breaks a constraint of the schema; nothing is loaded then.
    """
    try:
        with transaction() as cur:
            cur.execute("SELECT pg_advisory_xact_lock(%s)", (ONE_LOADER_AT_A_TIME,))
            cur.execute(statement("register_month"), {"as_of": event_time(as_of), "files_sha256": files_sha256})
            return {target.table: _load(cur, tables[file], target, as_of) for file, target in TARGETS.items()}
    except (psycopg2.IntegrityError, psycopg2.DataError) as error:
        raise RowRefused(f"PostgreSQL refused a row of {as_of}; nothing was loaded. {error}") from error


def _load(cur: cursor, frame: pd.DataFrame, target: Target, as_of: date) -> Change:
    stamped = frame.assign(**{target.month: target.month_value(as_of).isoformat()})
    names = _names(target, list(stamped.columns))
    cur.execute(sql.SQL("CREATE TEMP TABLE {staging} (LIKE {table}) ON COMMIT DROP").format(**names))
    copy = sql.SQL("COPY {staging} ({columns}) FROM STDIN WITH (FORMAT csv)").format(**names)
    cur.copy_expert(copy, io.StringIO(stamped.to_csv(index=False, header=False)))
    cur.execute(sql.SQL(statement("upsert_users" if target is USERS else "upsert_month")).format(**names))
    written, deleted = cur.rowcount, 0
    if target is not USERS:
        cur.execute(sql.SQL(statement("delete_absent")).format(**names), {"month": target.month_value(as_of)})
        deleted = cur.rowcount
    # without statistics the planner joined a first month in 35 s instead of 0.3
    cur.execute(sql.SQL("ANALYZE {table}").format(**names))
    return Change(len(frame), written, deleted)


def _names(target: Target, columns: Sequence[str]) -> dict[str, sql.Composable]:
    """What the templates in sql/ name: tables and columns, quoted."""
    key = {"user_id"} if target is USERS else {"user_id", target.month}
    values = [column for column in columns if column not in key]

    def listed(names: Sequence[str], prefix: str = "") -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(prefix) + sql.Identifier(name) for name in names)

    return {
        "table": sql.Identifier(target.table),
        "staging": sql.Identifier(f"staging_{target.table}"),
        "month": sql.Identifier(target.month),
        "columns": listed(columns),
        "values": listed(values),
        "stored_values": listed(values, "stored."),
        "new_values": listed(values, "EXCLUDED."),
    }


def month_fingerprint(as_of: date) -> str:
    """One value for all rows a training set of this month is made from, whatever order they come back in."""
    return str(_column("month_fingerprint", as_of=event_time(as_of), period_start=as_of)[0])


def require_month(as_of: date) -> None:
    """Raises NoSnapshot unless the month was ingested."""
    try:
        loaded = [moment.date() for moment in _column("months")]
    except psycopg2.errors.UndefinedTable:
        loaded = []  # a database that no month was ever loaded into
    if as_of not in loaded:
        there = f"Loaded are: {', '.join(map(str, loaded))}" if loaded else "No month is loaded"
        raise NoSnapshot(
            f"No snapshot for {as_of}. {there}. Run: mlflow run . -e ingest -P month_dir=DIR -P as_of={as_of}"
        )


def entities(as_of: date) -> str:
    """The query, for Feast to embed, of the users with a profile snapshot at as_of."""
    return statement("entities").format(as_of=event_time(as_of).isoformat()).strip()


def labels_of(as_of: date) -> pd.DataFrame:
    """user_id (text) and churn_label (bool) of the month."""
    with transaction() as cur:
        cur.execute(statement("labels_of_month"), {"period_start": as_of})
        return pd.DataFrame(cur.fetchall(), columns=["user_id", "churn_label"])


def users_in(table: str, as_of: date) -> list[str]:
    return _column("users_of_month", table, as_of=event_time(as_of))


def online_as_of(online_tables: Iterable[str]) -> date | None:
    """The newest event time in any of Feast's online tables."""
    newest = [moment for table in online_tables for moment in _column("online_as_of", table) if moment]
    return max(newest).date() if newest else None


def delete_gone_online(online_table: str, as_of: date, present_keys: Iterable[bytes]) -> int:
    """Deletes what the snapshot at as_of no longer holds; returns the number of deleted feature values."""
    keys = io.StringIO("".join(f"\\\\x{key.hex()}\n" for key in present_keys))
    with transaction() as cur:
        cur.execute("CREATE TEMP TABLE present_keys (entity_key bytea PRIMARY KEY) ON COMMIT DROP")
        cur.copy_expert("COPY present_keys FROM STDIN", keys)
        query = sql.SQL(statement("delete_gone_online")).format(table=sql.Identifier(online_table))
        cur.execute(query, {"event_ts": event_time(as_of)})
        return int(cur.rowcount)


def _column(name: str, table: str = "", **parameters: object) -> list[Any]:
    """The first column of what a statement in sql/ answers."""
    with transaction() as cur:
        cur.execute(sql.SQL(statement(name)).format(table=sql.Identifier(table or "none")), parameters)
        return [row[0] for row in cur.fetchall()]
