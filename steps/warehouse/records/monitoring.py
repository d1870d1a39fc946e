"""The append-only table of what the monitor found, and what it reads for slices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg import sql

from steps.warehouse.connection import event_time, statement, transaction
from steps.warehouse.export import copy_out

FIGURE = ("month", "metric", "slice", "n", "estimate", "low", "high", "verdict", "reference", "threshold", "reason")
ATTRIBUTES: Mapping[str, pa.DataType] = {
    "user_id": pa.string(), "user_gender": pa.string(), "user_is_senior": pa.bool_(), "contract_type": pa.string(),
    "net_service": pa.string(), "months_active": pa.int32(),
}  # fmt: skip

Figures = dict[str, Any]
"""By the names of FIGURE"""


@dataclass(frozen=True)
class Monitored:
    """A run of the monitor: the month it was of, the version, and MLflow's run."""

    as_of: date
    version: str
    run_id: str


def record_monitoring(monitored: Monitored, figures: Iterable[Figures]) -> None:
    """Appends a row for each figure, all or none; the database refuses updates and deletions."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (*FIGURE, "as_of", "version", "run_id")))
    with transaction() as cur, cur.copy(sql.SQL("COPY monitoring ({}) FROM STDIN").format(columns)) as copy:
        for figure in figures:
            copy.write_row([*(figure[name] for name in FIGURE), *vars(monitored).values()])


def monitored(as_of: date, version: str) -> list[Figures]:
    """The figures of the newest run of a month and version, in their order; empty where there was none."""
    with transaction() as cur:
        cur.execute(statement("monitored"), {"as_of": as_of, "version": version})
        return [dict(zip(FIGURE, row, strict=True)) for row in cur.fetchall()]


def monitored_months(version: str) -> list[date]:
    """The months of which the version was monitored, oldest first."""
    with transaction() as cur:
        cur.execute(statement("monitored_months"), {"version": version})
        return [row[0] for row in cur.fetchall()]


def realised_auc(part: str) -> list[tuple[str, date, float, float, float]]:
    """Version, month, AUC and its 95% interval, of all that was monitored. part: the slice of the users."""
    with transaction() as cur:
        cur.execute(statement("realised_auc"), {"slice": part})
        return list(cur.fetchall())


def slice_attributes(as_of: date) -> pa.Table:
    """user_id and the columns that users are divided by, a row per user of the month."""
    parts: list[pa.Table] = []
    query = sql.SQL(statement("slice_attributes")).format(as_of=sql.Literal(event_time(as_of)))
    with transaction() as cur:
        copy_out(cur, query, ATTRIBUTES, parts.append)
    return pa.concat_tables(parts) if parts else pa.schema(list(ATTRIBUTES.items())).empty_table()
