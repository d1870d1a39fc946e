"""Feast's PostgreSQL online store with three things changed: it writes by COPY, an older value never replaces a newer
one, and broken connections are replaced.

Stock behaviour, measured with feast 0.67: executemany takes two thirds of a materialisation. The upsert lets January
overwrite February. `conn_type: singleton` fails for ever after one dropped connection, and `pool` leaks one per error.

This module also has what Feast keeps private about those tables: their names, their columns, the form of their keys.
tests/feature_store/postgres/test_online_store.py compares each with the stock class and so notices when a new version
of Feast differs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import extract_text_and_num
from feast.infra.online_stores.postgres_online_store.postgres import (
    PostgreSQLOnlineStore,
    PostgreSQLOnlineStoreConfig,
    _table_id,
)
from feast.infra.utils.postgres.connection_utils import _get_conn_kwargs, _get_conninfo
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from feature_store.postgres.address import LibpqAddress

COLUMNS = ("entity_key", "feature_name", "value", "value_text", "event_ts", "created_ts")
KEY_VERSION = 3  # entity_key_serialization_version in feature_store.yaml
IDLE_S = 60.0

STAGE = sql.SQL("CREATE TEMP TABLE staged_values (LIKE {table}) ON COMMIT DROP")
COPY = sql.SQL("COPY staged_values ({columns}) FROM STDIN WITH (FORMAT binary)")
# ordered: two writers lock rows in the same order and cannot deadlock
UPSERT = sql.SQL("""
    INSERT INTO {table} AS stored ({columns})
    SELECT DISTINCT ON (entity_key, feature_name) {columns} FROM staged_values
    ORDER BY entity_key, feature_name, event_ts DESC
    ON CONFLICT (entity_key, feature_name) DO UPDATE
    SET value = EXCLUDED.value, value_text = EXCLUDED.value_text,
        event_ts = EXCLUDED.event_ts, created_ts = EXCLUDED.created_ts
    WHERE stored.event_ts < EXCLUDED.event_ts
       OR (stored.event_ts = EXCLUDED.event_ts AND stored.value IS DISTINCT FROM EXCLUDED.value)
""")

OnlineRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class SteadyPostgreSQLOnlineStoreConfig(LibpqAddress, PostgreSQLOnlineStoreConfig):
    type: Literal["feature_store.postgres.online_store.SteadyPostgreSQLOnlineStore"] = (
        "feature_store.postgres.online_store.SteadyPostgreSQLOnlineStore"
    )
    connection_timeout_s: float = 2.0
    statement_timeout_ms: int = 0  # 0: none


class SteadyPostgreSQLOnlineStore(PostgreSQLOnlineStore):
    _pool: "ConnectionPool[Connection[Any]] | None" = None

    @contextmanager
    def _get_conn(self, config: RepoConfig, autocommit: bool = False) -> Iterator[Connection[Any]]:
        """A checked connection. One that breaks inside the block is closed and not used again."""
        if self._pool is None:
            self._pool = _open_pool(config.online_store)
        with self._pool.connection(timeout=config.online_store.connection_timeout_s) as connection:
            connection.set_autocommit(autocommit)
            yield connection

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Sequence[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Writes one batch in one transaction. A stored value with a newer event time stays."""
        names = {
            "table": sql.Identifier(online_table(config.project, table)),
            "columns": sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
        }
        with self._get_conn(config) as connection, connection.cursor() as cursor:
            cursor.execute(STAGE.format(**names))
            with cursor.copy(COPY.format(**names)) as copy:
                copy.set_types(["bytea", "text", "bytea", "text", "timestamptz", "timestamptz"])
                for row in _values(data):
                    copy.write_row(row)
            cursor.execute(UPSERT.format(**names))
        if progress:
            progress(len(data))

    def close_connections(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _open_pool(config: SteadyPostgreSQLOnlineStoreConfig) -> "ConnectionPool[Connection[Any]]":
    options = _get_conn_kwargs(config)
    options["options"] += f" -c timezone=UTC -c statement_timeout={config.statement_timeout_ms}"
    return ConnectionPool(
        conninfo=_get_conninfo(config),
        min_size=config.min_conn,
        max_size=config.max_conn,
        max_idle=IDLE_S,
        check=ConnectionPool.check_connection,
        kwargs=options,
        open=True,
    )


def _values(data: Sequence[OnlineRow]) -> Iterator[tuple[Any, ...]]:
    for key, values, event_time, created in data:
        entity_key = serialize_entity_key(key, entity_key_serialization_version=KEY_VERSION)
        stamps = (_aware(event_time), _aware(created) if created else None)
        for name, value in values.items():
            text, _number = extract_text_and_num(value, False)
            yield (entity_key, name, value.SerializeToString(), text, *stamps)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stored_values(values: Sequence[Any], dtype: Any) -> Iterator[tuple[bytes, str | None]]:
    """Values of a Feast type as the online tables hold them: `value`, and `value_text` for texts."""
    for value in python_values_to_proto_values(list(values), dtype.to_value_type()):
        text, _number = extract_text_and_num(value, False)
        yield value.SerializeToString(), text


def online_table(project: str, view: FeatureView) -> str:
    return str(_table_id(project, view))


def entity_keys(user_ids: Iterable[str]) -> Iterator[bytes]:
    """The users' keys as the online tables hold them."""
    for user_id in user_ids:
        key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user_id)])
        yield serialize_entity_key(key, entity_key_serialization_version=KEY_VERSION)
