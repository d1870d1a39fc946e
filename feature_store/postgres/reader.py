"""Reads a service's features of many users from the online tables: one statement, one deadline, no pause after a cut.

Feast's own reader sends one query per view and spends 0.17 ms of Python on each user. It waits for a frozen server
without limit, and its pool takes a second or more to replace connections that were cut. This reader calls libpq without
blocking, so every wait ends at the deadline. tests/feature_store/postgres/test_reader.py compares its rows with those
of Feast.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from psycopg.pq.abc import PGresult

from feature_store.deadline import Deadline
from feature_store.pool import DeadlinePool
from feature_store.postgres.libpq import PostgresConnection
from feature_store.reading import FeatureRow, Plan

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MOMENTS_KEPT = 10_000


class PostgresReader:
    """See Reader in reading.py."""

    def __init__(self, conninfo: str = "", max_connections: int = 8) -> None:
        """`conninfo` in libpq's format; the PG… variables give what it leaves out."""
        self._pool = DeadlinePool(lambda deadline: PostgresConnection(conninfo, deadline), max_connections)

    def read(self, plan: Plan, user_ids: Sequence[str], deadline: Deadline) -> list[FeatureRow]:
        keys = [plan.key_of(user_id) for user_id in user_ids]
        return _rows(plan, keys, self._query(plan.statement, [_bytea_array(keys)], deadline))

    def newest(self, plan: Plan, deadline: Deadline) -> datetime | None:
        moment = self._query(plan.newest_statement, [], deadline).get_value(0, 0)
        return None if moment is None else _moment(moment)

    def close(self) -> None:
        self._pool.close()

    def _query(self, statement: bytes, parameters: list[bytes | None], deadline: Deadline) -> PGresult:
        return self._pool.run(lambda connection: connection.execute(statement, parameters, deadline), deadline)


def _bytea_array(keys: Sequence[bytes]) -> bytes:
    return b"{" + b",".join(b'"\\\\x' + key.hex().encode() + b'"' for key in keys) + b"}"


@lru_cache(MOMENTS_KEPT)
def _moment(binary: bytes) -> datetime:
    return POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(binary, "big", signed=True))


def _rows(plan: Plan, keys: Sequence[bytes], result: PGresult) -> list[FeatureRow]:
    feature = {name.encode(): (name, view) for name, view in zip(plan.names, plan.views, strict=True)}
    rows = {key: FeatureRow(dict.fromkeys(plan.names), {}) for key in keys}
    value_at, value_of = result.get_value, plan.value_of
    for stored in range(result.ntuples):
        row = rows[value_at(stored, 0) or b""]
        name, view = feature[value_at(stored, 1) or b""]
        row.features[name] = value_of(value_at(stored, 2) or b"")
        moment = _moment(value_at(stored, 3) or b"")
        if moment < row.event_times.setdefault(view, moment):
            row.event_times[view] = moment
    return [rows[key] for key in keys]
