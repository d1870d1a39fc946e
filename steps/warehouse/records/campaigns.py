"""The append-only table of campaigns: whom each lists, who is its control group, and what became of both."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv

from steps.warehouse.connection import CAMPAIGN_LOCK, Cursor, event_time, statement, transaction, vacuum_tables
from steps.warehouse.export import copy_out

LISTED, CONTROL = "listed", "control"
USERS = {
    "user_id": pa.string(), "role": pa.string(), "probability": pa.float64(), "expected_gain": pa.float64(),
    "reasons": pa.string(),
}  # fmt: skip
"""reasons: a JSON list of texts"""
COPY = (
    "COPY campaigns (user_id, role, probability, expected_gain, reasons, campaign, version, as_of, run_id) "
    "FROM STDIN CSV"
)
CHUNK_USERS = 50_000


@dataclass(frozen=True)
class Campaign:
    """Where a campaign comes from: its month, the version that scored, and the run of score."""

    name: str
    as_of: date
    version: str
    run_id: str


@dataclass(frozen=True)
class RecordedCampaign:
    """users: by USERS; the listed ones first, then the control group, each by expected gain."""

    origin: Campaign
    made_at: datetime
    users: pa.Table


@dataclass(frozen=True)
class Outcome:
    """What became of a group of a campaign until `month`, the first one loaded after it. users: of the group. left: by
    the labels. gone: no longer among the users. unlabelled: neither."""

    campaign: str
    as_of: date
    version: str
    month: date
    in_time: bool
    """The list was made before the month was loaded: it can have had an effect"""
    role: str
    users: int
    left: int
    gone: int
    unlabelled: int


def record_campaign(campaign: Campaign, users: pa.Table) -> RecordedCampaign | None:
    """Appends a campaign, all or none, and returns it as recorded: without users who were erased in the meantime. Where
    there is one of that name, nothing is changed, and that one is returned. None without any user."""
    with transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (CAMPAIGN_LOCK,))
        cur.execute("LOCK TABLE campaigns IN ROW EXCLUSIVE MODE")  # an erasure ends before its users are looked up
        if (recorded := _recorded(cur, campaign.name)) or not users.num_rows:
            return recorded
        _append(cur, campaign, users)
        recorded = _recorded(cur, campaign.name)
    # for the console's filter; PostgreSQL itself does it minutes later
    vacuum_tables("another VACUUM", sql.Identifier("campaigns"))
    return recorded


def recorded_campaign(name: str) -> RecordedCampaign | None:
    with transaction() as cur:
        return _recorded(cur, name)


def _recorded(cur: Cursor, name: str) -> RecordedCampaign | None:
    cur.execute(statement("campaign_origin"), {"campaign": name})
    rows = cur.fetchall()
    if not rows:
        return None
    as_of, version, run_id, made_at = rows[0]
    parts: list[pa.Table] = []
    copy_out(cur, sql.SQL(statement("campaign")).format(campaign=sql.Literal(name)), USERS, parts.append)
    return RecordedCampaign(Campaign(name, as_of, version, run_id), made_at, pa.concat_tables(parts))


def _append(cur: Cursor, campaign: Campaign, users: pa.Table) -> None:
    constants = [campaign.name, campaign.version, event_time(campaign.as_of).isoformat(), campaign.run_id]
    for chunk in _not_erased(cur, users.select(list(USERS))):
        rows = chunk
        for place, value in enumerate(constants):
            rows = rows.append_column(f"constant_{place}", pa.repeat(value, rows.num_rows))
        text = io.BytesIO()
        csv.write_csv(rows, text, csv.WriteOptions(include_header=False))
        with cur.copy(COPY) as copy:
            copy.write(text.getbuffer())


def _not_erased(cur: Cursor, users: pa.Table) -> Iterator[pa.Table]:
    cur.execute(statement("any_erased"))
    is_any = cur.fetchall()[0][0]
    for start in range(0, users.num_rows, CHUNK_USERS):
        chunk = users.slice(start, CHUNK_USERS)
        if is_any:
            cur.execute(statement("erased_among"), {"user_ids": chunk["user_id"].to_pylist()})
            erased = pa.array([user_id for (user_id,) in cur.fetchall()], pa.string())
            chunk = chunk.filter(pc.invert(pc.is_in(chunk["user_id"], value_set=erased)))
        yield chunk


def campaign_outcomes(as_of: date) -> list[Outcome]:
    """Of the campaigns before the month whose next month is loaded, at most this one, and has labels; the oldest
    first, a row a group."""
    with transaction() as cur:
        cur.execute(statement("campaign_outcomes"), {"as_of": event_time(as_of)})
        return [Outcome(*row) for row in cur.fetchall()]
