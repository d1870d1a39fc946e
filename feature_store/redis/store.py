"""Feast's Redis online store with an atomic switch between months: each month's values have keys of their own, and one
key, `PROJECT:online`, names the month that is read. See docs/decisions/0025.

Keys, fields and values are Feast's, except that the month's name follows the project's name once a month was put
online. tests/feature_store/redis/test_store.py compares each with the stock class.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import repeat
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.infra.supported_async_methods import SupportedAsyncMethods
from google.protobuf.timestamp_pb2 import Timestamp
from redis import Redis, WatchError
from redis.connection import Connection

from feature_store.redis.names import event_time_field, moment_of, next_key, online_key, values_key

CONNECT_S, ANSWER_S = 5.0, 60.0
SCAN_COUNT = 5_000  # keys a call

Encoded = tuple[Sequence[bytes], Sequence[int]]
"""A feature's distinct values in Feast's form, and for each user the index of its value."""


class OvertakenError(Exception):
    """Another run has begun, or a newer month is online: this month must not go online."""


class MonthlyRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """connection_string: a URL like redis://:password@host:6379/0."""

    type: Literal["feature_store.redis.store.MonthlyRedisOnlineStore"] = (
        "feature_store.redis.store.MonthlyRedisOnlineStore"
    )


class MonthlyRedisOnlineStore(RedisOnlineStore):
    _client: Redis | None = None

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods()  # none: Feast's asynchronous reads do not follow the month

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Any,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Writes as Feast does, into the month that is online. A stored value with a newer event time stays."""
        super().online_write_batch(self._of_month(config), table, data, progress)

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        super().delete_table(self._of_month(config), table)

    def close_connections(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Redis:
        if self._client is None:
            self._client = client(str(online_store_config.connection_string))
        return self._client

    def _of_month(self, config: RepoConfig) -> RepoConfig:
        month = self._get_client(config.online_store).get(online_key(config.project))
        return config.model_copy(update={"project": values_key(b"", config.project, month).decode()})

    def _read_hash_fields(self, config: RepoConfig, commands: list[tuple[bytes, list[Any]]]) -> list[Any]:
        """All from one month: reads again if another month went online meanwhile."""
        redis, online = self._get_client(config.online_store), online_key(config.project)
        month = redis.get(online)
        while True:
            with redis.pipeline(transaction=False) as pipe:
                for key, fields in commands:
                    pipe.hmget(values_key(key, "", month), fields)
                pipe.get(online)
                answers: list[Any] = pipe.execute()
            if answers[-1] == month:
                return answers[:-1]
            month = answers[-1]


def client(url: str) -> Redis:
    return Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S)


class NextMonth:
    """A month that is being written. Values that a killed run leaves are never read; the next run deletes them."""

    def __init__(self, url: str, project: str, moment: datetime) -> None:
        self._client, self._project, self._moment = client(url), project, moment
        self._name = f"{moment:%Y-%m-%d}.{secrets.token_hex(4)}".encode()
        self._time = Timestamp()
        self._time.FromDatetime(moment)

    def begin(self) -> None:
        self._client.set(next_key(self._project), self._name)
        self.clear()

    def write(self, view: str, keys: Sequence[bytes], columns: Mapping[str, Encoded]) -> None:
        """Thread-safe. keys: the users' keys in the form of Feast's online stores, one per row of each column."""
        users = (_text(values_key(key, self._project, self._name)) for key in keys)
        head = b"*%d\r\n%s" % (2 + 2 * (len(columns) + 1), _text(b"HSET"))
        time = _text(event_time_field(view)) + _text(self._time.SerializeToString())
        values = [_pairs(_mmh3(f"{view}:{feature}"), *encoded) for feature, encoded in columns.items()]
        commands = [b"".join(parts) for parts in zip(repeat(head), users, *values, repeat(time), strict=False)]
        with self._connection() as connection:
            connection.send_packed_command([b"".join(commands)])
            for _command in commands:
                connection.read_response()

    def switch_over(self, instead_of: datetime | None = None) -> None:
        """Readers read this month from now on. instead_of: a newer month that it may replace. Raises OvertakenError."""
        online = online_key(self._project)
        with self._client.pipeline() as pipe:
            pipe.watch(online, next_key(self._project))
            current = pipe.get(online)
            newer = current and moment_of(current) > self._moment and moment_of(current) != instead_of
            if newer or pipe.get(next_key(self._project)) != self._name:
                raise OvertakenError
            pipe.multi()
            pipe.set(online, self._name)
            try:
                pipe.execute()
            except WatchError as error:
                raise OvertakenError from error

    def take_offline(self) -> None:
        """No month is online from now on."""
        self._client.delete(online_key(self._project))

    def clear(self) -> None:
        """Deletes the values of all months except the one that is online."""
        kept = values_key(b"", self._project, self._client.get(online_key(self._project)))
        users = re.escape(serialize_entity_key_prefix(["user_id"])) + b".*" + re.escape(self._project.encode())
        own_keys = re.compile(users + rb"(/[0-9.a-f-]+)?", re.DOTALL)
        for keys in self._scan():
            obsolete = [key for key in keys if own_keys.fullmatch(key) and not key.endswith(kept)]
            if obsolete:
                self._client.unlink(*obsolete)

    def close(self) -> None:
        self._client.close()

    def _scan(self) -> Iterator[list[bytes]]:
        cursor = -1
        while cursor:
            cursor, keys = self._client.scan(max(cursor, 0), match=f"*{self._project}*", count=SCAN_COUNT)
            yield keys

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        except BaseException:
            connection.disconnect()  # replies may be in flight that nothing reads
            raise
        finally:
            pool.release(connection)


def online_moment(url: str, project: str) -> datetime | None:
    """The event time of the month that is online."""
    with client(url) as redis:
        month = redis.get(online_key(project))
        return moment_of(month) if month else None


def _text(value: bytes) -> bytes:
    """A bulk string of Redis' protocol. Composing commands this way takes a fifth of the client's own time."""
    return b"$%d\r\n%s\r\n" % (len(value), value)


def _pairs(field: bytes, distinct: Sequence[bytes], indexes: Sequence[int]) -> Iterator[bytes]:
    pairs = [_text(field) + _text(value) for value in distinct]
    return map(pairs.__getitem__, indexes)
