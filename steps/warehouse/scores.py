"""Reads a month's features for scoring, and stores the scores."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from psycopg import sql
from pyarrow import csv

from steps.warehouse.connection import Cursor, event_time, statement, transaction
from steps.warehouse.export import TYPES, copy_out

COPY = "COPY churn_scores (user_id, probability, prediction, as_of, model_version, scored_at) FROM STDIN CSV"


@dataclass(frozen=True)
class OldScores:
    """The size of a month's rows in churn_scores, of all versions."""

    as_of: date
    rows: int
    bytes: int


def read_features(views: Mapping[str, Sequence[str]], as_of: date, write: Callable[[pa.Table], None]) -> None:
    """views: snapshot table -> its features. Calls `write` with tables of user_id and the features, ordered by user_id,
    some ten thousand rows each; a missing feature is null. The values are those that `materialize` puts online."""
    aliases = {table: sql.Identifier(f"view_{place}") for place, table in enumerate(views)}
    columns = [
        sql.SQL("{}.{}").format(aliases[table], sql.Identifier(name)) for table in views for name in views[table]
    ]
    join = "LEFT JOIN {table} AS {alias} ON {alias}.as_of = present.as_of AND {alias}.user_id = present.user_id"
    joins = [sql.SQL(join).format(table=sql.Identifier(table), alias=aliases[table]) for table in views]
    query = sql.SQL(statement("features_of_month")).format(
        columns=sql.SQL(", ").join(columns), joins=sql.SQL(" ").join(joins), as_of=sql.Literal(event_time(as_of))
    )
    with transaction() as cur:
        cur.execute(sql.SQL("SELECT * FROM ({}) AS rows LIMIT 0").format(query))
        types = {column.name: TYPES[column.type_code] for column in cur.description or ()}
        copy_out(cur, query, types, write)


@contextmanager
def replaced_scores(as_of: date, version: str, scored_at: datetime) -> Iterator[Callable[[pa.Table], None]]:
    """Replaces the scores of a month and version, all or none. The function it yields stores a table of user_id,
    probability and prediction."""
    constants = [event_time(as_of).isoformat(), version, scored_at.isoformat()]
    with transaction() as cur:
        cur.execute(statement("delete_scores"), {"as_of": event_time(as_of), "version": version})
        yield lambda scores: _copy(cur, scores, constants)


def _copy(cur: Cursor, scores: pa.Table, constants: Iterable[str]) -> None:
    for place, value in enumerate(constants):
        scores = scores.append_column(f"constant_{place}", pa.repeat(value, scores.num_rows))
    text = io.BytesIO()
    csv.write_csv(scores, text, csv.WriteOptions(include_header=False))
    with cur.copy(COPY) as copy:
        copy.write(text.getbuffer())


def old_scores(before: date) -> list[OldScores]:
    """Of months before that day, oldest first. Bytes are those in the table."""
    with transaction() as cur:
        cur.execute(statement("old_scores"), {"before": event_time(before)})
        return [OldScores(as_of.date(), rows, int(size)) for as_of, rows, size in cur.fetchall()]


def delete_old_scores(as_of: date) -> None:
    """Deletes the month's scores of all versions."""
    with transaction() as cur:
        cur.execute(statement("delete_old_scores"), {"as_of": event_time(as_of)})
