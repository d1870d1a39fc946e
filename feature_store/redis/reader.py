"""Reads a service's features of many users from Redis: one round trip, one deadline, one month.

The month's name is asked for after the values: names never come again, so that one which is still the same then was
so all the while. Redis alone is spoken to, by its own client; what a value means is the plan's business.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from redis import RedisError
from redis import TimeoutError as RedisTimeout
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import ResponseError
from redis.retry import Retry

from feature_store.pool import Connections, OnlineReadError, OnlineReadTimeout
from feature_store.reading import FeatureRow, Plan
from feature_store.redis.names import moment_of, online_key, values_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS_KEPT = 10_000
SHORTEST_WAIT_S = 0.001  # zero would mean without waiting


class RedisReader:
    """See Reader in reading.py."""

    def __init__(self, url: str, project: str, most_connections: int = 8) -> None:
        pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0))
        self._project = project
        self._month: bytes | None = None
        self._connections = Connections(lambda until: _Connection(pool, until), most_connections)

    def read(self, plan: Plan, user_ids: Sequence[str], until: float) -> list[FeatureRow]:
        keys = [plan.key_of(user_id) for user_id in user_ids]
        while True:
            month = self._month or self._online(until)
            commands = [("HMGET", values_key(key, self._project, month), *plan.fields) for key in keys]
            *hashes, after = self._ask([*commands, ("GET", online_key(self._project))], until)
            if after == month:
                return [_row(plan, values) for values in hashes]
            self._month = after

    def newest(self, _plan: Plan, until: float) -> datetime | None:
        [month] = self._ask([("GET", online_key(self._project))], until)
        return moment_of(month) if month else None

    def close(self) -> None:
        self._connections.close()

    def _online(self, until: float) -> bytes:
        [month] = self._ask([("GET", online_key(self._project))], until)
        if not month:
            raise OnlineReadError("Nothing is online in Redis. Run: mlflow run . -e materialize -P as_of=DATE")
        self._month = bytes(month)
        return self._month

    def _ask(self, commands: Sequence[tuple[Any, ...]], until: float) -> list[Any]:
        return self._connections.ask(lambda connection: connection.ask(commands, until), until)


class _Connection:
    """Not thread-safe. After any error it is to be closed."""

    def __init__(self, pool: ConnectionPool, until: float) -> None:
        self._redis = pool.make_connection()
        self._redis.socket_connect_timeout = self._redis.socket_timeout = _left(until)
        try:
            self._redis.connect()
        except (RedisError, OSError) as error:
            raise _translated(error) from error

    def ask(self, commands: Sequence[tuple[Any, ...]], until: float) -> list[Any]:
        try:
            self._redis.update_current_socket_timeout(_left(until))
            self._redis.send_packed_command(self._redis.pack_commands(commands))
            return [self._answer(until) for _command in commands]
        except (RedisError, OSError) as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._redis.disconnect()

    def _answer(self, until: float) -> Any:
        self._redis.update_current_socket_timeout(_left(until))
        return self._redis.read_response()


def _left(until: float) -> float:
    return max(SHORTEST_WAIT_S, until - time.monotonic())


def _translated(error: Exception) -> OnlineReadError:
    if isinstance(error, RedisTimeout | TimeoutError):
        return OnlineReadTimeout("Redis did not answer by the deadline")
    return OnlineReadError(f"Redis {'refused' if isinstance(error, ResponseError) else 'does not answer'}: {error}")


def _row(plan: Plan, values: Sequence[bytes | None]) -> FeatureRow:
    stored = values[: len(plan.names)]
    moments = dict(zip(dict.fromkeys(plan.views), values[len(plan.names) :], strict=True))
    there = {view for view, value in zip(plan.views, stored, strict=True) if value is not None}
    return FeatureRow(
        {name: None if value is None else plan.value_of(value) for name, value in zip(plan.names, stored, strict=True)},
        {view: _moment(moment) for view, moment in moments.items() if moment is not None and view in there},
    )


@lru_cache(MOMENTS_KEPT)
def _moment(stored: bytes) -> datetime:
    time_stored = Timestamp.FromString(stored)
    return EPOCH + timedelta(seconds=time_stored.seconds, microseconds=time_stored.nanos // 1000)
