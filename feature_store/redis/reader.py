"""Reads a service's features of many users from Redis: one round trip, one deadline, one month.

The month's name is read again after the values. Names are never reused: if it is unchanged, all values belong to that
month. This module only talks to Redis; the plan decodes the values.
"""

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

from feature_store.deadline import Deadline
from feature_store.pool import DeadlinePool, OnlineReadError, OnlineReadTimeout
from feature_store.reading import FeatureRow, Plan
from feature_store.redis.names import moment_of, online_key, values_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS_KEPT = 10_000
SHORTEST_WAIT_S = 0.001  # zero would mean: do not wait


class RedisReader:
    """See Reader in reading.py."""

    def __init__(self, url: str, project: str, max_connections: int = 8) -> None:
        redis_pool = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0))
        self._project = project
        self._month: bytes | None = None
        self._pool = DeadlinePool(lambda deadline: _RedisConnection(redis_pool, deadline), max_connections)

    def read(self, plan: Plan, user_ids: Sequence[str], deadline: Deadline) -> list[FeatureRow]:
        keys = [plan.key_of(user_id) for user_id in user_ids]
        while True:
            month = self._month or self._online(deadline)
            commands = [("HMGET", values_key(key, self._project, month), *plan.fields) for key in keys]
            *hashes, after = self._execute([*commands, ("GET", online_key(self._project))], deadline)
            if after == month:
                return [_row(plan, values) for values in hashes]
            self._month = after

    def newest(self, _plan: Plan, deadline: Deadline) -> datetime | None:
        [month] = self._execute([("GET", online_key(self._project))], deadline)
        return moment_of(month) if month else None

    def close(self) -> None:
        self._pool.close()

    def _online(self, deadline: Deadline) -> bytes:
        [month] = self._execute([("GET", online_key(self._project))], deadline)
        if not month:
            raise OnlineReadError("Nothing is online in Redis. Run: mlflow run . -e materialize -P as_of=DATE")
        self._month = bytes(month)
        return self._month

    def _execute(self, commands: Sequence[tuple[Any, ...]], deadline: Deadline) -> list[Any]:
        return self._pool.run(lambda connection: connection.execute(commands, deadline), deadline)


class _RedisConnection:
    """Not thread-safe. Close it after any error."""

    def __init__(self, pool: ConnectionPool, deadline: Deadline) -> None:
        self._redis = pool.make_connection()
        self._redis.socket_connect_timeout = self._redis.socket_timeout = _left(deadline)
        try:
            self._redis.connect()
        except (RedisError, OSError) as error:
            raise _translated(error) from error

    def execute(self, commands: Sequence[tuple[Any, ...]], deadline: Deadline) -> list[Any]:
        try:
            self._redis.update_current_socket_timeout(_left(deadline))
            self._redis.send_packed_command(self._redis.pack_commands(commands))
            return [self._answer(deadline) for _command in commands]
        except (RedisError, OSError) as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._redis.disconnect()

    def _answer(self, deadline: Deadline) -> Any:
        self._redis.update_current_socket_timeout(_left(deadline))
        return self._redis.read_response()


def _left(deadline: Deadline) -> float:
    return max(SHORTEST_WAIT_S, deadline.left())


def _translated(error: Exception) -> OnlineReadError:
    if isinstance(error, RedisTimeout | TimeoutError):
        return OnlineReadTimeout("Redis did not answer by the deadline")
    return OnlineReadError(f"Redis {'refused' if isinstance(error, ResponseError) else 'does not answer'}: {error}")


def _row(plan: Plan, values: Sequence[bytes | None]) -> FeatureRow:
    stored = values[: len(plan.names)]
    moments = dict(zip(dict.fromkeys(plan.views), values[len(plan.names) :], strict=True))
    with_values = {view for view, value in zip(plan.views, stored, strict=True) if value is not None}
    return FeatureRow(
        {name: None if value is None else plan.value_of(value) for name, value in zip(plan.names, stored, strict=True)},
        {view: _moment(moment) for view, moment in moments.items() if moment is not None and view in with_values},
    )


@lru_cache(MOMENTS_KEPT)
def _moment(stored: bytes) -> datetime:
    timestamp = Timestamp.FromString(stored)
    return EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
